"""How often each level is given, of everything and of each genre: what the belief about one track is held against.

Counting reads every label, which no page can wait for: it is done with the report about annotators, and kept there.
"""

from typing import Any, NamedTuple

from django.db.models import Count

from annotations.models import LEVELS, Annotation, AnnotatorReport, Track


class Outline(NamedTuple):
    """Labels of each level, from 1 on, and of what."""

    counts: list[int]
    of: str


def level_counts() -> dict[str, Any]:
    """For the report: `all`, and `genres` by id. A track of several genres counts in each."""
    current = Annotation.objects.current().order_by()
    counts: dict[str, list[int]] = {}
    for genre, level, n in current.values_list("track__genres", "level").annotate(n=Count("pk")):
        if genre:
            counts.setdefault(str(genre), [0] * len(LEVELS))[level - 1] = n
    of_all = dict(current.values_list("level").annotate(n=Count("pk")))
    return {"all": [of_all.get(level, 0) for level in LEVELS], "genres": counts}


def outline_for(track: Track) -> Outline | None:
    """Of the track's genres, else of all; None until it has been counted."""
    counted = AnnotatorReport.objects.values_list("content__levels", flat=True).order_by("-made_at").first()
    if not counted:
        return None
    known = [genre for genre in track.genres.all() if str(genre.pk) in counted["genres"]]
    if not known:
        return Outline(counted["all"], "all labels")
    of_each = [counted["genres"][str(genre.pk)] for genre in known]
    names = ", ".join(genre.name for genre in known)
    return Outline([sum(counts) for counts in zip(*of_each, strict=True)], f"{names}, all labels")
