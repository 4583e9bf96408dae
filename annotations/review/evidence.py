"""What the review page shows beside a flag: only to be asked for once the reviewer has said what they hear."""

from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q

from annotations.consensus import median_level
from annotations.levels import levels_of
from annotations.models import LEVELS, Annotation, AnnotatorExclusion, Decision, Flag, ReviewRules, Track, User
from annotations.models.flags import RULED, State
from annotations.review.outline import outline_for
from annotations.review.precision import Precision, precision_by_reason
from annotations.review.why import why
from energyapp.charts import level_histogram


@dataclass(frozen=True)
class Reason:
    """A flag of the label, why it was raised, and how often flags with this reason were right."""

    flag: Flag
    sentence: str
    precision: Precision


@dataclass(frozen=True)
class Label:
    """One label of the track; `left_out` says why no model learns from it, if none does."""

    annotation: Annotation
    bias: float | None
    left_out: str


@dataclass(frozen=True)
class Neighbour:
    """A track that sounds alike. No level: its labels have been excluded since, or the reviewer is to hear it first."""

    track: Track
    level: int | None
    is_covered: bool
    similarity: float


@dataclass(frozen=True)
class Event:
    """A decision in the track's history."""

    decision: Decision
    undone_by: Decision | None
    is_standing: bool


def evidence_for(flag: Flag, *, reviewer: User) -> dict[str, Any]:
    annotation, evidence = flag.annotation, flag.evidence
    similarity = {row["track"]: row["similarity"] for row in evidence.get("neighbours", [])}
    levels = _levels([annotation.track_id, *similarity])
    neighbours = _neighbours(similarity, levels, reviewer)
    flags, history = _flags(annotation), _history(annotation.track_id)
    return {
        "evidence": evidence,
        "reasons": _reasons(flags),
        "level_now": levels.get(annotation.track_id),
        "neighbours": neighbours,
        "neighbours_level": median_level(known) if (known := [row.level for row in neighbours if row.level]) else None,
        "is_fast": _is_fast(annotation),
        **_belief(annotation.track, evidence),
        "labels": _labels(annotation.track_id, evidence.get("biases", {})),
        "history": history,
        "newest_decision": history[0].decision if history else None,
        "standing": next((event.decision for event in history if _is_about(event, annotation)), None),
        "is_settled": State.RESOLVED in {each.now for each in flags if each.pk == flag.pk},
    }


def _levels(tracks: list[int]) -> dict[int, int]:
    decided = Decision.objects.filter(flag__annotation__track__in=tracks).levels_of_tracks()
    return levels_of(Annotation.objects.counted().filter(track__in=tracks), decided=decided)


def _neighbours(similarity: dict[int, float], levels: dict[int, int], reviewer: User) -> list[Neighbour]:
    tracks = Track.objects.defer("peaks").prefetch_related("genres").in_bulk(similarity)
    to_hear = Flag.objects.still_to_hear(reviewer).filter(of_track__in=similarity)
    covered = set(to_hear.values_list("of_track", flat=True))
    return [
        Neighbour(tracks[pk], None if pk in covered else levels.get(pk), pk in covered, value)
        for pk, value in similarity.items()
        if pk in tracks
    ]


def _flags(annotation: Annotation) -> list[Any]:
    """All of the label, each with its state now; the strongest first."""
    flags = Flag.objects.with_state().annotate(now=F("state")).filter(annotation=annotation)
    return list(flags.select_related("annotation").order_by("-suspicion", "pk"))


def _reasons(flags: list[Flag]) -> list[Reason]:
    precision = precision_by_reason()
    return [Reason(flag, why(flag), precision[flag.reason]) for flag in flags]


def _is_fast(annotation: Annotation) -> bool:
    return annotation.answered_s is not None and annotation.answered_s < ReviewRules.objects.current().too_fast_s


def _belief(track: Track, evidence: dict[str, Any]) -> dict[str, Any]:
    belief = evidence.get("belief", [])
    if len(belief) != len(LEVELS):
        return {}
    outline = outline_for(track)
    chart = level_histogram(
        [100 * share for share in belief], outline=outline and outline.counts, label="Model belief, per cent"
    )
    return {"belief_chart": chart, "outline_of": outline and outline.of}


def _labels(track: int, biases: dict[str, float]) -> list[Label]:
    """Of everybody, the first first."""
    is_silenced = Q(annotator__in=AnnotatorExclusion.objects.excluded())
    current = Annotation.objects.current().annotate(
        is_counted=Exists(Annotation.objects.counted().filter(pk=OuterRef("pk"))),
        is_silenced=ExpressionWrapper(is_silenced, output_field=BooleanField()),
    )
    return [
        Label(annotation, biases.get(str(annotation.annotator_id)), _left_out(annotation))
        for annotation in current.filter(track=track).select_related("annotator").order_by("created_at", "pk")
    ]


def _left_out(annotation: Any) -> str:
    if not annotation.is_counted:
        return "set aside" if annotation.source == Annotation.Source.REVIEW else "excluded"
    return "annotator excluded" if annotation.is_silenced else ""


def _history(track: int) -> list[Event]:
    """Of all labels of the track, the newest first."""
    decisions = Decision.objects.filter(flag__annotation__track=track).annotate(
        is_standing=Exists(Decision.objects.standing().filter(pk=OuterRef("pk")))
    )
    shown: list[Any] = list(decisions.select_related("decided_by", "undoes", "flag__annotation__annotator"))
    undone = {decision.undoes_id: decision for decision in shown if decision.undoes_id}
    return [Event(decision, undone.get(decision.pk), decision.is_standing) for decision in shown]


def _is_about(event: Event, annotation: Annotation) -> bool:
    """Whether it says what holds of this label now: it was decided, or the track was."""
    decision = event.decision
    return event.is_standing and (decision.verdict in RULED or decision.flag.annotation_id == annotation.pk)
