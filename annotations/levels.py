"""What a track's level is now: a conclusion, computed from annotations and decisions whenever it is needed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Protocol

from annotations.consensus import median_level
from annotations.models import Decision


class Labelled(Protocol):
    """An annotation, or as much of one as is needed here."""

    @property
    def track_id(self) -> int: ...

    @property
    def level(self) -> int: ...


def levels_of(annotations: Iterable[Labelled], *, decided: Mapping[int, int] | None = None) -> dict[int, int]:
    """Track id -> level: the newest decision that changed it, else the median of its annotations, ties to the higher level.

    `decided` is `Decision.objects.levels_of_tracks()`, for who has read it already.
    """
    if decided is None:
        decided = Decision.objects.levels_of_tracks()
    by_track: dict[int, list[int]] = defaultdict(list)
    for annotation in annotations:
        by_track[annotation.track_id].append(annotation.level)
    return {track: decided.get(track) or median_level(levels) for track, levels in by_track.items()}
