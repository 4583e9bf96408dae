"""What has come since a run looked: by id, so that of 300,000 labels only the newest are looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Count, Model, Q

from annotations.models import Annotation, AnnotatorExclusion, Decision, Track
from modeling.models import FeatureVector, TrainingRun

# What a training looks at, by the name under which its newest id is kept with the run, and with the job that asks for one.
LOOKED_AT: dict[str, type[Model]] = {
    "newest_annotation": Annotation,
    "newest_decision": Decision,
    "newest_exclusion": AnnotatorExclusion,
    "newest_track": Track,
    "newest_vector": FeatureVector,
}


def newest_ids() -> dict[str, int]:
    """Of all that a training looks at the newest there is; 0 before the first."""
    # One statement, which no query of one model can be; each part of it looks at the end of an index.
    newest = ", ".join(f"(SELECT MAX(id) FROM {model._meta.db_table})" for model in LOOKED_AT.values())
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {newest}")
        return {name: found or 0 for name, found in zip(LOOKED_AT, cursor.fetchone(), strict=True)}


@dataclass(frozen=True)
class Changes:
    """Attributes
    ----------
    n_added
        Labels by who had not labelled the track before.
    decisions
        Verdicts and how many, those that take something back included.
    n_with_features
        Tracks of which features have been stored. None: the run is of an earlier version and does not know.
    excluded, taken_back
        Names of annotators whose labels no longer count for training, and whose do again.
    """

    n_added: int = 0
    n_relabelled: int = 0
    decisions: list[tuple[str, int]] = field(default_factory=list)
    n_tracks: int = 0
    n_with_features: int | None = None
    excluded: list[str] = field(default_factory=list)
    taken_back: list[str] = field(default_factory=list)

    @property
    def n_decisions(self) -> int:
        return sum(n for _, n in self.decisions)

    @property
    def matter(self) -> bool:
        """Whether a training would learn from anything else. Tracks alone, without labels or features, change nothing."""
        return bool(
            self.n_added
            or self.n_relabelled
            or self.decisions
            or self.n_with_features
            or self.excluded
            or self.taken_back
        )


def changes_since(run: TrainingRun | None) -> Changes:
    """None: since the beginning."""
    labels = Annotation.objects.filter(unseen(run, "newest_annotation")).aggregate(
        n_added=Count("pk", filter=Q(supersedes=None)), n_relabelled=Count("supersedes")
    )
    exclusions = AnnotatorExclusion.objects.newest().filter(unseen(run, "newest_exclusion")).select_related("annotator")
    names: dict[bool, list[str]] = {True: [], False: []}
    for row in exclusions.order_by("annotator__username"):
        names[row.is_excluded].append(row.annotator.display_name)
    return Changes(
        **labels,
        decisions=_decisions(run),
        n_tracks=Track.objects.filter(unseen(run, "newest_track")).count(),
        n_with_features=_n_with_features(run),
        excluded=names[True],
        taken_back=names[False],
    )


def unseen(run: TrainingRun | None, boundary: str) -> Q:
    return run.unseen(boundary) if run else Q()


def _decisions(run: TrainingRun | None) -> list[tuple[str, int]]:
    rows = Decision.objects.filter(unseen(run, "newest_decision")).order_by().values("verdict")
    n_of_verdict = dict(rows.annotate(n=Count("pk")).values_list("verdict", "n"))
    return [(verdict.label, n) for verdict in Decision.Verdict if (n := n_of_verdict.get(verdict))]


def _n_with_features(run: TrainingRun | None) -> int | None:
    """Vectors do not know when they were stored."""
    if run and "newest_vector" not in run.looked_at:
        return None
    rows = FeatureVector.objects.filter(unseen(run, "newest_vector"))
    return rows.aggregate(n=Count("track", distinct=True))["n"]
