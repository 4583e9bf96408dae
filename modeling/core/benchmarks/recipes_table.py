"""The figures of recipes as plain tables, with standard errors, paired differences, and what was aimed at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modeling.core.decisions import round_to_level
from modeling.core.estimates import mean_over_strata
from modeling.core.intervals import coverage
from modeling.core.metrics import Floats, Levels

THESIS_NETWORK, AUTO = "network", "auto"


@dataclass(frozen=True)
class Cost:
    """Of one fit.

    Attributes
    ----------
    seconds, cpu_seconds : float
        By the clock, and of all threads.
    peak_mb : float
        Of the process, libraries included.
    copies : float
        How far memory rose above what X, the process and its libraries took before, in sizes of X.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    copies: float


@dataclass(frozen=True, eq=False)
class Run:
    """What one recipe predicted for tracks it did not know, and what that took.

    Attributes
    ----------
    level : shape (n_repeats, n_tracks), int
    interval : shape (2, n_repeats, n_tracks), float, or None
        Lower and upper, of 90 % coverage; None of a recipe that held nothing out.
    remarks : sentences
    """

    level: Levels
    interval: Floats | None
    cost: Cost
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Results:
    """Runs by name, on the same tracks with labels y (n_tracks,), by these artists; without them tracks are independent."""

    y: Floats
    runs: Mapping[str, Run]
    artists: NDArray[np.str_] | None = None

    @property
    def truth(self) -> Levels:
        return round_to_level(self.y)

    def macro_mae(self, name: str) -> tuple[float, float]:
        """In levels, the mean over repeats; with its standard error over artists."""
        return mean_over_strata(self._error(name), self.truth, self.artists)

    def mae(self, name: str) -> tuple[float, float]:
        """As `macro_mae`."""
        return mean_over_strata(self._error(name), np.zeros_like(self.truth), self.artists)

    def macro_mae_less(self, name: str, other: str) -> tuple[float, float]:
        """Macro-MAE of one less that of another, and the standard error of the difference: track by track."""
        return mean_over_strata(self._error(name) - self._error(other), self.truth, self.artists)

    def coverage(self, name: str) -> tuple[float, float, float]:
        """(share, that in the worst level with 20 tracks or more, mean width in levels), means over the repeats."""
        interval = self.runs[name].interval
        if interval is None:
            raise ValueError(f"found no intervals of {name}; expected a recipe that holds tracks out")
        repeats = [coverage(self.y, *ends) for ends in zip(*interval, strict=True)]
        levels = [level for level, (n, _) in repeats[0].by_level.items() if n >= 20]
        worst = min(
            (float(np.mean([each.by_level[level][1] for each in repeats])) for level in levels), default=float("nan")
        )
        share, width = (float(np.mean([getattr(each, of) for each in repeats])) for of in ("share", "mean_width"))
        return share, worst, width

    def _error(self, name: str) -> NDArray[np.float64]:
        """Each track's absolute error, averaged over the repeats."""
        return np.abs(self.runs[name].level - self.truth).mean(axis=0)


@dataclass(frozen=True)
class Target:
    """A figure of one recipe (or of two, where it is compared) and the range it is to lie in."""

    name: str
    what: str
    figure: Callable[[Results], float]
    low: float
    high: float
    against: str | None = None

    def can_be_judged(self, results: Results) -> bool:
        return self.name in results.runs and (self.against is None or self.against in results.runs)

    def line(self, results: Results) -> str:
        found = self.figure(results)
        wanted = " ".join(
            text.format(limit) for text, limit in ((">= {:g}", self.low), ("<= {:g}", self.high)) if np.isfinite(limit)
        )
        return f"{self.name:18} {self.what:42} {wanted:18} {found:8.3f}  {'met' if self.is_met(found) else 'MISSED'}"

    def is_met(self, found: float) -> bool:
        return self.low <= found <= self.high


def table(results: Results, targets: Sequence[Target]) -> str:
    """Recipes, then targets, then remarks."""
    header = (
        f"{'recipe':18} {'macro-MAE':>9} {'se':>5}  {'- network':>9} {'se':>5}  {'- auto':>7} {'se':>5}  {'MAE':>5} {'se':>5}"
        f"  {'covers':>6} {'worst':>5} {'width':>5}  {'fit s':>7} {'CPU s':>7}  {'peak MB':>7} {'+ X':>4}"
    )
    judged = [target for target in targets if target.can_be_judged(results)]
    lines = [header, *(_row(results, name) for name in results.runs)]
    if judged:
        lines += ["", f"{'target':18} {'':42} {'wanted':18} {'found':>8}"]
        lines += [target.line(results) for target in judged]
    remarks = [f"{name}: {remark}" for name, run in results.runs.items() for remark in run.remarks]
    return "\n".join([*lines, *([""] if remarks else []), *remarks])


def _row(results: Results, name: str) -> str:
    run = results.runs[name]
    intervals = "" if run.interval is None else "{:6.3f} {:5.3f} {:5.2f}".format(*results.coverage(name))
    return (
        "{:18} {:9.3f} {:5.3f}".format(name, *results.macro_mae(name))
        + f"  {_less(results, name, THESIS_NETWORK):>15}  {_less(results, name, AUTO):>13}"
        + "  {:5.3f} {:5.3f}".format(*results.mae(name))
        + f"  {intervals:18}"
        + f"  {run.cost.seconds:7.1f} {run.cost.cpu_seconds:7.1f}  {run.cost.peak_mb:7.0f} {run.cost.copies:4.1f}"
    )


def _less(results: Results, name: str, other: str) -> str:
    if name == other or other not in results.runs:
        return ""
    return "{:+.3f} {:5.3f}".format(*results.macro_mae_less(name, other))
