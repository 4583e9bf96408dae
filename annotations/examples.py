"""Tracks whose level is agreed, for ears that are unsure: what a level sounds like, and what to hold a track against."""

from dataclasses import dataclass

from annotations.models import Reference, Track

MAX_EXAMPLES_PER_LEVEL = 3
N_TO_COMPARE = 3


@dataclass(frozen=True)
class Agreed:
    """A track and the level that is agreed."""

    track: Track
    level: int


def examples() -> list[Agreed]:
    """What leads have chosen, from the lowest level to the highest, the newest of a level first; a few of each."""
    chosen = Reference.objects.filter(use=Reference.Use.EXAMPLE, track__audio_state=Track.AudioState.READY)
    found: list[Agreed] = []
    for reference in chosen.select_related("track").defer("track__peaks").order_by("level", "-pk"):
        agreed = Agreed(reference.track, reference.level)
        if sum(other.level == agreed.level for other in found) < MAX_EXAMPLES_PER_LEVEL:
            found.append(agreed)
    return found


def near(level: int) -> list[Agreed]:
    """Examples to hold a track against that seems to be of this level: the nearest below, at and above it."""
    by_level: dict[int, Agreed] = {}
    for agreed in examples():
        by_level.setdefault(agreed.level, agreed)
    nearest = sorted(by_level, key=lambda other: (abs(other - level), -other))[:N_TO_COMPARE]
    return [by_level[other] for other in sorted(nearest)]


def agreed_about(track_id: int) -> Agreed | None:
    """The example that this track is, if it is one."""
    return next((agreed for agreed in examples() if agreed.track.pk == track_id), None)
