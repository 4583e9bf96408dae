"""What a training would learn from if it began now, counted before it begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.core.cache import cache
from django.db.models import Count, Exists, OuterRef

from annotations.models import LEVELS, Annotation, Track
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import FeatureVector
from modeling.retraining.changes import newest_ids
from modeling.training_data import MIN_SET_COVERAGE, MIN_TRACKS

# Of 300,000 labels of 100,000 tracks the count takes two seconds, so it is kept until something has come, or so long.
KEPT_FOR_S = 60
# Of a level: with fewer labels its tracks are mostly predicted as its neighbours.
FEW_LABELS = 20
NO_AUDIO = {Track.AudioState.NONE, Track.AudioState.NOT_FETCHED, Track.AudioState.UNREACHABLE}


@dataclass(frozen=True)
class Preview:
    """Attributes
    ----------
    n_labels
        That count for training, of tracks that are left out too.
    n_labelled, n_learnt
        Tracks with such labels, and those of them whose features are there.
    left_out
        How many labelled tracks are not learnt from, and why.
    n_of_level
        Labels by level, every level.
    """

    n_labels: int
    n_labelled: int
    n_learnt: int
    left_out: list[tuple[int, str]] = field(default_factory=list)
    n_of_level: Mapping[int, int] = field(default_factory=dict)

    @property
    def rare_levels(self) -> list[tuple[int, int]]:
        return [(level, n) for level, n in self.n_of_level.items() if n < FEW_LABELS]

    @property
    def refusal(self) -> str:
        """Why the training would fail at once, where that can be known."""
        if self.n_learnt >= MIN_TRACKS:
            return ""
        return f"{self.n_learnt} labelled tracks have features; a training needs {MIN_TRACKS}, so this one would fail."


def preview() -> Preview:
    key = "retraining-preview-" + "-".join(map(str, newest_ids().values()))
    found = cache.get(key) or _count()
    cache.set(key, found, KEPT_FOR_S)
    return found


def _count() -> Preview:
    labels = Annotation.objects.for_training().order_by()
    n_of_level = dict(labels.values("level").annotate(n=Count("pk")).values_list("level", "n"))
    labelled = Track.objects.filter(pk__in=labels.values("track"))
    groups = _groups(labelled)
    chosen = _chosen_sets(groups)
    n_labelled = sum(group["n"] for group in groups)
    n_learnt = sum(group["n"] for group in groups if chosen and chosen <= group["sets"])
    n_ever = Track.objects.filter(n_annotators__gt=0).count()
    return Preview(
        n_labels=sum(n_of_level.values()),
        n_labelled=n_labelled,
        n_learnt=n_learnt,
        left_out=_left_out(groups, chosen, n_ever - n_labelled),
        n_of_level={level: n_of_level.get(level, 0) for level in LEVELS},
    )


def _groups(labelled) -> list[dict]:
    """Labelled tracks that are alike in the state of their audio and the feature sets they have, and how many of each kind."""
    keys = {f"has_{name}": of_set.key for name, of_set in FEATURE_SETS.items() if of_set.used_in_training}
    has = {name: Exists(_vectors(key)) for name, key in keys.items()}
    rows = labelled.order_by().annotate(**has).values("audio_state", *has).annotate(n=Count("pk"))
    return [{"state": row["audio_state"], "sets": {name for name in has if row[name]}, "n": row["n"]} for row in rows]


def _vectors(key: str):
    # Empty: the set could not be computed of this track.
    return FeatureVector.objects.filter(feature_set=key, track=OuterRef("pk")).exclude(values=b"")


def _chosen_sets(groups: Iterable[dict]) -> set[str]:
    """As `training_data.choose_feature_sets`, of counts."""
    covered: Counter[str] = Counter()
    for group in groups:
        covered.update(dict.fromkeys(group["sets"], group["n"]))
    most = max(covered.values(), default=0)
    return {name for name, n in covered.items() if n >= MIN_SET_COVERAGE * most}


def _left_out(groups: Iterable[dict], chosen: set[str], n_set_aside: int) -> list[tuple[int, str]]:
    counts: Counter[str] = Counter()
    for group in groups:
        if not (chosen and chosen <= group["sets"]):
            counts[_why(group["state"])] += group["n"]
    counts["excluded by a lead, or all of their labels are set aside"] += n_set_aside
    return [(n, why) for why, n in counts.most_common() if n]


def _why(state: str) -> str:
    if state in NO_AUDIO:
        return "without audio"
    if state == Track.AudioState.BAD:
        return "whose audio cannot be used"
    return "whose features are not there yet"
