"""Tracks whose level is agreed, for ears that are unsure: what a level sounds like, and what to hold a track against.

Leads choose them. Where they have chosen none of a level, tracks serve of which several people say the same; but only such
as the annotator has labelled too, and so: of a track that they may still be asked about they learn nothing.
"""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, Max, OuterRef

from annotations.models import Annotation, Lease, Reference, Track, User

MAX_EXAMPLES_PER_LEVEL = 3
N_TO_COMPARE = 3
# People who say the same, the annotator among them.
MIN_AGREEING = 2
# Own labels that are looked through: enough for rare levels, and a hundredth of a second.
N_RECENT = 5000


@dataclass(frozen=True)
class Agreed:
    """A track and the level that is agreed."""

    track: Track
    level: int


def examples(annotator: User) -> list[Agreed]:
    """What leads have chosen, from the lowest level to the highest, the newest of a level first; a few of each.

    Not what the annotator holds: it was handed out before it was chosen, and they shall not know its level.
    """
    chosen = Reference.objects.filter(
        ~Exists(Lease.objects.filter(annotator=annotator, track=OuterRef("track"))),
        use=Reference.Use.EXAMPLE,
        track__audio_state=Track.AudioState.READY,
    )
    found: list[Agreed] = []
    for reference in chosen.select_related("track").defer("track__peaks").order_by("level", "-pk"):
        agreed = Agreed(reference.track, reference.level)
        if sum(other.level == agreed.level for other in found) < MAX_EXAMPLES_PER_LEVEL:
            found.append(agreed)
    return found


def near(level: int, *, annotator: User) -> list[Agreed]:
    """Tracks to hold one against that seems to be of this level: the nearest below, at and above it, one of each level."""
    by_level: dict[int, Agreed] = {}
    for agreed in [*examples(annotator), *_agreed_with_others(annotator)]:
        by_level.setdefault(agreed.level, agreed)
    nearest = sorted(by_level, key=lambda other: (abs(other - level), -other))[:N_TO_COMPARE]
    return [by_level[other] for other in sorted(nearest)]


def agreed_about(track_id: int, *, annotator: User) -> Agreed | None:
    """The example that this track is, to this annotator, if it is one."""
    if chosen := next((agreed for agreed in examples(annotator) if agreed.track.pk == track_id), None):
        return chosen
    own = _undisputed(annotator).filter(track=track_id).select_related("track").first()
    return own and Agreed(own.track, own.level)


def _agreed_with_others(annotator: User) -> list[Agreed]:
    """Of each level the newest of their labels that nobody disputes."""
    recent = Annotation.objects.filter(annotator=annotator).order_by("-created_at").values("pk")[:N_RECENT]
    newest = _undisputed(annotator).filter(pk__in=recent).values("level").annotate(newest=Max("pk")).values("newest")
    own = Annotation.objects.filter(pk__in=newest).select_related("track").defer("track__peaks")
    return [Agreed(annotation.track, annotation.level) for annotation in own]


def _undisputed(annotator: User) -> Any:
    """Their labels with which all who have labelled the track agree; not of what they are to label now, nor of gold.

    Nor those that they have changed: one could go through the levels until the others turn out to agree.
    """
    others = Annotation.objects.current().filter(track=OuterRef("track"))
    return (
        Annotation.objects.current()
        .filter(
            ~Exists(others.exclude(level=OuterRef("level"))),
            ~Exists(Lease.objects.filter(annotator=annotator, track=OuterRef("track"))),
            annotator=annotator,
            track__n_annotators__gte=MIN_AGREEING,
            track__audio_state=Track.AudioState.READY,
            track__reference=None,
        )
        .exclude(source=Annotation.Source.RELABEL)
    )
