"""What the newest ranking found beside its places: what more labels would bring, and whether the strategy pays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from modeling.ranking.models import Ranking


class Row(NamedTuple):
    """A figure of the strategy and of chance, or what is missing to know it.

    Attributes
    ----------
    correction
        What makes it fair, though the tracks that a strategy chooses are no uniform sample.
    """

    words: str
    figure: dict[str, Any]
    correction: str


@dataclass(frozen=True)
class Live:
    """A strategy against chance, as `Ranking.found` holds it: see `modeling.ranking.findings`."""

    content: dict[str, Any]

    @property
    def strategy(self) -> str:
        return self.content["strategy"]

    @property
    def since(self) -> datetime:
        return datetime.fromisoformat(self.content["since"])

    @property
    def until(self) -> datetime | None:
        return datetime.fromisoformat(self.content["until"]) if self.content["until"] else None

    @property
    def verdict(self) -> str:
        worth = self.content["worth"]
        if "missing" in worth:
            return "Nothing can be said yet of what its labels are worth."
        if worth["low"] <= 0 <= worth["high"]:
            return "Its labels and random ones bring the same, as far as can be told."
        return f"Its labels bring {'more' if worth['high'] < 0 else 'less'} than random ones."

    @property
    def rows(self) -> list[Row]:
        worth, rare = self.content["worth"], self.content["rare"]
        of_each = f" with {worth['n_ranked']:,} labels of each" if "n_ranked" in worth else ""
        levels = f" ({', '.join(map(str, rare['levels']))})" if "levels" in rare else ""
        return [
            Row(
                f"Macro-MAE of a model{of_each}",
                worth,
                "Needs no correction: judged on the evaluation slice, drawn uniformly, which no strategy touches.",
            ),
            Row(
                "How far the model in use was off before the label",
                self.content["error"],
                "Corrected: level by level, each level once, as a strategy picks other levels than chance does.",
            ),
            Row(
                f"Share of rare levels{levels}",
                rare,
                "Not corrected: what is drawn at random tells what the library is like.",
            ),
        ]


@dataclass(frozen=True)
class Found:
    ranking: Ranking

    @property
    def more(self) -> dict[str, Any]:
        return self.ranking.found["more"]

    @cached_property
    def live(self) -> Live | None:
        """None before any strategy was in force."""
        return Live(self.ranking.found["live"]) if self.ranking.found["live"] else None


def newest_found() -> Found | None:
    ranking = Ranking.objects.done().exclude(found={}).select_related("job").order_by("-pk").first()
    return Found(ranking) if ranking else None
