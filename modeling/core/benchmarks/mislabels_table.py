"""Average precisions beside each other, and against what was aimed at."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from modeling.core.estimates import Estimate
from modeling.core.metrics import Floats

OURS, THESIS, IDEAL = "ours", "thesis (XGBoost)", "(taught the truth)"
CLEANLAB = ("cleanlab regression", "cleanlab OUTRE", "cleanlab self-conf.")
# The least average precision of ours.
TARGETS = {"shift": 0.68, "swap": 0.63, "large swap": 0.63, "bias + shift": 0.72}


@dataclass(frozen=True, eq=False)
class Results:
    """Of each scenario, and of each contender there, the average precision in each planting: shape (n_plantings,)."""

    precision: Mapping[str, Mapping[str, Floats]]

    def mean(self, scenario: str, name: str) -> Estimate:
        """With its standard error over plantings."""
        return _mean(self.precision[scenario][name])

    def less(self, scenario: str, name: str, other: str) -> Estimate:
        """By how much the one is better than the other, planting by planting."""
        return _mean(self.precision[scenario][name] - self.precision[scenario][other])

    def rivals(self, scenario: str) -> dict[str, str]:
        """Whom ours is to beat: cleanlab's best on the mean of this scenario, and the thesis's; those that were measured."""
        measured = self.precision[scenario]
        best = max(
            (name for name in CLEANLAB if name in measured), key=lambda name: measured[name].mean(), default=None
        )
        named = {"cleanlab's best": best, "the thesis's": THESIS if THESIS in measured else None}
        return {who: name for who, name in named.items() if name is not None}


def _mean(each: Floats) -> Estimate:
    se = np.std(each, ddof=1) / len(each) ** 0.5 if len(each) > 1 else np.nan
    return Estimate(float(np.mean(each)), float(se))


def table(results: Results) -> str:
    """Contenders by scenario, with the difference to ours; then targets."""
    scenarios = results.precision
    contenders = list(next(iter(scenarios.values())))
    lines = [
        f"{'average precision':20}" + "".join(f"  {name:>12} {'se':>5} {'- ours':>6} {'se':>5}" for name in scenarios),
        *(f"{name:20}" + "".join(_cell(results, scenario, name) for scenario in scenarios) for name in contenders),
    ]
    if OURS in contenders:
        lines += ["", f"{'target for ours':60} {'wanted':8} {'found':>6} {'se':>5}"]
        lines += [line for scenario in scenarios for line in _targets(results, scenario)]
    return "\n".join(lines)


def _cell(results: Results, scenario: str, name: str) -> str:
    alone = "  {:12.3f} {:5.3f}".format(*results.mean(scenario, name))
    compared = OURS in results.precision[scenario] and name != OURS
    return alone + (" {:+6.3f} {:5.3f}".format(*results.less(scenario, name, OURS)) if compared else " " * 13)


def _targets(results: Results, scenario: str) -> list[str]:
    found, wanted = results.mean(scenario, OURS), TARGETS[scenario]
    lines = [_target(f"{scenario}: average precision", f">= {wanted:.2f}", found, found.value >= wanted)]
    for who, name in results.rivals(scenario).items():
        gain = results.less(scenario, OURS, name)
        what = f"{scenario}: above {who}" + (f" ({name})" if name in CLEANLAB else "")
        lines.append(_target(what, "> 0", gain, gain.value > 0))
    return lines


def _target(what: str, wanted: str, found: Estimate, is_met: bool) -> str:
    return f"{what:60} {wanted:8} {found.value:6.3f} {found.se:5.3f}  {'met' if is_met else 'MISSED'}"
