"""One annotator's part of the report, with a name and drawings, for templates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from django.urls import reverse
from django.utils.safestring import SafeString

from annotations.annotators import words
from annotations.annotators.measures import N_LEVELS
from annotations.models import AnnotatorExclusion, User
from energyapp.charts import Point, level_histogram, line_with_band, share_bar

LONG_S = 300 * 24 * 3600  # of a drift chart: days of two years would look alike


def names_of(people: Iterable[User]) -> dict[int, str]:
    """What pages call them; of two with the same name, with their user names."""
    known = list(people)
    n_of_name = Counter(person.display_name for person in known)
    return {
        person.pk: person.display_name
        if n_of_name[person.display_name] == 1
        else f"{person.display_name} ({person.username})"
        for person in known
    }


@dataclass(frozen=True)
class Person:
    """`entry` is what the report has of them."""

    user: User
    name: str
    entry: dict[str, Any]
    is_excluded: bool

    @property
    def pk(self) -> int:
        return self.user.pk

    @cached_property
    def concerns(self) -> list[words.Concern]:
        return words.concerns(self.entry)

    @property
    def href(self) -> str:
        return reverse("annotator", args=[self.pk])

    @property
    def is_shared(self) -> bool:
        return bool(self.entry["n_shared"])

    def chart(self, size: Literal["normal", "mini"]) -> SafeString:
        """Their levels and the others' of the same tracks; alone where nobody else has labelled any of these."""
        if not self.is_shared:
            return level_histogram(self.entry["counts"], label=f"Labels of {self.name}", size=size)
        label = f"Labels of {self.name} of tracks that others labelled too"
        return level_histogram(self.entry["shared_counts"], outline=self.entry["pool"], label=label, size=size)

    def all_labels(self) -> SafeString | None:
        """Of all tracks, where those that others labelled too are not all."""
        if not self.is_shared or self.entry["n_shared"] == self.entry["n_labels"]:
            return None
        return level_histogram(self.entry["counts"], label=f"All labels of {self.name}", size="mini")

    def range_bar(self) -> SafeString:
        low, high = self.entry["range"]
        return share_bar((high - low + 1) / N_LEVELS)

    def drift_chart(self) -> SafeString | None:
        """None where there are fewer than two blocks: nothing can be seen to change."""
        blocks, change = self.entry["drift"]["blocks"], self.entry["drift"]["change"]
        if len(blocks) < 2:
            return None
        index = next((i for i, block in enumerate(blocks) if change and block["to"] >= change["since"]), None)
        return line_with_band(
            [Point(_short(block["from"], blocks), block["value"], *words.interval(block)) for block in blocks],
            label=f"Labels of {self.name} less what was expected, in levels, over time",
            target=0,
            target_label="",
            change=None if change is None or index is None else (index, f"changed {words.day(change['since'])}"),
        )

    def sentences(self, too_fast_s: float) -> list[tuple[str, str]]:
        """(what, what of it)."""
        of: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
            ("Bias", words.bias),
            ("Scale", words.scale),
            ("Noise", words.noise),
            ("Error against the others", words.error),
            ("Range used", words.used_range),
            ("Heard twice", words.repeats),
            ("Gold", words.gold),
            ("Speed", lambda entry: words.speed(entry, too_fast_s)),
            ("Flags", words.flags),
        ]
        return [(what, say(self.entry)) for what, say in of]


def people_of(entries: Iterable[dict[str, Any]]) -> dict[int, Person]:
    """By id, in the order of the report. Names are today's: people rename themselves."""
    by_id = {entry["id"]: entry for entry in entries}
    users = User.objects.only("username", "first_name", "last_name", "alias").in_bulk(by_id)
    names, excluded = (
        names_of(users.values()),
        set(AnnotatorExclusion.objects.excluded().values_list("annotator", flat=True)),
    )
    return {pk: Person(users[pk], names[pk], entry, pk in excluded) for pk, entry in by_id.items() if pk in users}


def _short(seconds: int, blocks: list[dict[str, Any]]) -> str:
    """A day, or where they stretch over years a month."""
    is_long = blocks[-1]["to"] - blocks[0]["from"] > LONG_S
    return words.day(seconds, "M Y" if is_long else "j M")
