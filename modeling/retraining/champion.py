"""The run in use, the newest one that might replace it, and what is known of which is better: as stored, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from modeling.models import Promotion, TrainingRun

# Of the slice, that both runs predicted, and their artists: fewer say too little for a word like "better".
ENOUGH_TRACKS = 50
ENOUGH_ARTISTS = 20
JUDGED_BY = "macro_mae"
WORDS = {"macro_mae": "Macro-MAE", "mae": "MAE", "within_1": "Within one level"}
HIGHER_IS_BETTER = {"within_1"}


class Measure(NamedTuple):
    """One measure of two runs; the change is less than 0 where the newer has the lower figure."""

    name: str
    before: float
    after: float
    change: float
    se: float
    low: float
    high: float

    @property
    def words(self) -> str:
        return WORDS[self.name]

    @property
    def _sign(self) -> int:
        return -1 if self.name in HIGHER_IS_BETTER else 1

    @property
    def is_better(self) -> bool:
        """The whole interval lies on the better side."""
        return max(self._sign * self.low, self._sign * self.high) < 0

    @property
    def is_worse(self) -> bool:
        return min(self._sign * self.low, self._sign * self.high) > 0


@dataclass(frozen=True)
class Comparison:
    """What a run found when it was held against the run that was in use then (`modeling.retraining.comparison`)."""

    run: int
    n: int
    n_artists: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    measures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, run: TrainingRun) -> Comparison | None:
        """None for the first run, and for runs of earlier versions."""
        found = (run.metrics or {}).get("champion")
        return cls(**found) if found else None

    @property
    def rows(self) -> list[Measure]:
        return [Measure(name, **self.measures[name]) for name in WORDS if name in self.measures]

    @property
    def says_enough(self) -> bool:
        return self.n >= ENOUGH_TRACKS and self.n_artists >= ENOUGH_ARTISTS

    @property
    def is_better(self) -> bool:
        """Enough to promote the newer by itself: macro-MAE is better, chance allowed for, and nothing else is worse."""
        judged = [row for row in self.rows if row.name == JUDGED_BY]
        return self.says_enough and all(row.is_better for row in judged) and not any(row.is_worse for row in self.rows)

    @property
    def verdict(self) -> str:
        """What the figures mean, in a sentence or two."""
        if not self.n:
            return f"The two have no track of the evaluation slice in common that run {self.run} had held out."
        if not self.says_enough:
            return (
                f"{self.n} track{'s' if self.n > 1 else ''} by {self.n_artists} artist{'s' if self.n_artists > 1 else ''} are too "
                f"few to tell which is better; from {ENOUGH_TRACKS} tracks by {ENOUGH_ARTISTS} artists on it is said."
            )
        judged = self.rows[0]
        low, high = sorted((abs(judged.low), abs(judged.high)))
        if judged.is_better:
            also = ", ".join(row.words for row in self.rows if row.is_worse)
            return f"The new run is better: its macro-MAE is lower by {low:.2f} to {high:.2f} levels." + (
                f" But it is worse by {also}: which counts more is for people to say." if also else ""
            )
        if judged.is_worse:
            return f"The new run is worse: its macro-MAE is higher by {low:.2f} to {high:.2f} levels."
        return "No difference that chance would not bring: the interval holds 0. Keeping the run in use costs nothing."

    @property
    def notes(self) -> list[str]:
        """What the comparison does not rest on."""
        said = {
            "new": "labelled since, so the run in use had not held them out",
            "learnt": "the run in use had learnt from",
            "gone": "of the run in use are no labelled tracks of the slice any more",
        }
        return [f"{n} track{'s' if n > 1 else ''} left out: {said[why]}" for why, n in self.left_out.items() if n]


@dataclass(frozen=True)
class Standing:
    """Attributes
    ----------
    live
        The run in use.
    challenger
        The newest run that succeeded, where it is another one.
    comparison
        What the challenger (without one: the run in use) found against the run that was in use then.
    before
        The run that was in use before: what going back goes back to.
    """

    live: TrainingRun | None
    challenger: TrainingRun | None
    comparison: Comparison | None
    before: TrainingRun | None

    @property
    def is_of_now(self) -> bool:
        """Whether the comparison is with the run that is in use now."""
        return bool(self.challenger and self.comparison and self.live and self.comparison.run == self.live.pk)


def standing() -> Standing:
    live = TrainingRun.objects.for_dashboard().live()
    newest = TrainingRun.objects.succeeded().for_dashboard().order_by("-pk").first()
    challenger = newest if newest != live else None
    shown = challenger or live
    other = Promotion.objects.exclude(run=live).select_related("run__job").order_by("-pk").first() if live else None
    return Standing(live, challenger, Comparison.of(shown) if shown else None, other.run if other else None)
