"""What the page of what to label next takes, and what it says of each strategy that can be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from django import forms

from annotations.forms import LevelField
from annotations.models import Genre, LabellingRules
from annotations.models.guidance import MIN_RANDOM_SHARE
from energyapp.charts import Column, Table
from energyapp.charts.table import NOTHING
from modeling.core.acquisition import STRATEGIES
from modeling.ranking.proof import Proof, StrategyProof
from modeling.ranking.services import ASKS_FOR_OPINIONS

STRATEGY_WORDS = {
    "random": "every unlabelled track equally likely. Fair to the model, and what all others are measured against.",
    "k_center": "tracks that sound least like any that has a label, so that no corner of the library stays unheard.",
    "greedy_inputs_outputs": "tracks unlike the labelled ones in sound and in the level that the model expects.",
    "rare_levels": "tracks that the model takes for levels with few labels.",
    "committee_spread": "tracks about which several models, each taught by a part of the labels, disagree most.",
    "density_weighted": "tracks unlike the labelled ones and like many others, so that no hour goes into oddities.",
    "k_center_and_rare_levels": "by turns: two tracks as k_center chooses, then one as rare_levels does.",
    "relabel_or_new": "a new track or a second opinion on a doubtful label, whichever promises more.",
}
SHARE_WORDS = f"A whole number of per cent, {MIN_RANDOM_SHARE} to 100, please."


class SwitchForm(forms.Form):
    order = forms.ChoiceField(
        choices=lambda: [(name, name) for name in STRATEGIES],
        error_messages={"required": "Choose one of these.", "invalid_choice": "There is no strategy %(value)s."},
    )
    random_share = forms.IntegerField(
        min_value=MIN_RANDOM_SHARE,
        max_value=100,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), SHARE_WORDS),
        label="Still drawn at random, % of new tracks",
        help_text=(
            "The yardstick of the strategy: without them nobody could tell what it is worth. 20 is a good start; with 5 an "
            "answer takes four times as many labels."
        ),
        widget=forms.NumberInput(attrs={"class": "input short", "min": MIN_RANDOM_SHARE, "max": 100}),
    )
    seen = forms.IntegerField(required=False)

    def __init__(self, data: Any = None, *, rules: LabellingRules) -> None:
        now = {"order": rules.order, "random_share": rules.random_share, "seen": rules.pk}
        super().__init__(data, initial=now)
        self.labels_per_track = rules.labels_per_track

    def clean_order(self) -> str:
        order = self.cleaned_data["order"]
        if order in ASKS_FOR_OPINIONS and self.labels_per_track == 1:
            raise forms.ValidationError(
                f"{order} needs tracks that several people label, and the rules say one person a track: set "
                "“Labels per track” to 2 or more first."
            )
        return order


class DrawForm(forms.Form):
    """Tracks of a predicted level, or of a genre."""

    level = LevelField(required=False)
    genre = forms.ModelChoiceField(Genre.objects.all(), required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and bool(cleaned.get("level")) == bool(cleaned.get("genre")):
            raise forms.ValidationError("Expected: a level or a genre, one of the two.")
        return cleaned


# ---- What can be chosen

Verdict = Literal["", "saves", "no saving", "costs", "not replayed"]


@dataclass(frozen=True)
class Choice:
    """A strategy as the page offers it. `verdict`: what the replay of one's own labels says of it."""

    name: str
    verdict: Verdict = ""
    is_recommended: bool = False

    @property
    def words(self) -> str:
        return STRATEGY_WORDS[self.name]


def choices(proof: Proof | None) -> list[Choice]:
    """Random first."""
    if proof is None:
        return [Choice(name) for name in STRATEGIES]
    return [Choice(name, _verdict(name, proof), name == proof.recommended) for name in STRATEGIES]


def _verdict(name: str, proof: Proof) -> Verdict:
    if name == "random":
        return ""
    found = next((each for each in _shown(proof) if each.strategy == name), None)
    if found is None:
        return "not replayed"
    if not found.could_be_chance and found.area_less.value > 0:
        return "costs"
    # The best of several looks better than it is: where the proof recommends none of them, none of them saves.
    is_believed = proof.saves or name in ASKS_FOR_OPINIONS
    return "saves" if is_believed and not found.could_be_chance else "no saving"


def _shown(proof: Proof) -> list[StrategyProof]:
    """Of strategies that ask for opinions only what they did with opinions: without, there is nothing for them to weigh."""
    return [each for each in proof.strategies if each.strategy not in ASKS_FOR_OPINIONS] + list(proof.opinions)


def table(proof: Proof) -> Table:
    """How many labels each strategy needs to be as good as random, and the mean height of its curve less that of random's."""
    columns = [Column("Strategy"), Column("Labels it takes")]
    columns += [Column("Above random", "signed", 3), Column("±", "number", 3)]
    return Table(
        columns,
        [[each.strategy, _needed(each), each.area_less.value, each.area_less.se] for each in _shown(proof)],
    )


def _needed(each: StrategyProof) -> str:
    """Half-way along the curve: near its end, where little is left to choose from, all are nearly alike."""
    if not each.savings:
        return NOTHING
    half = each.savings[len(each.savings) // 2]
    if half.needed is None or half.saved_share is None:
        return f"more than tried for random’s {half.n_random:,}"
    share = round(100 * half.saved_share)
    return f"{half.needed:,} for random’s {half.n_random:,} ({abs(share)} % {'fewer' if share >= 0 else 'more'})"
