"""Every annotation there is, as arrays: a million rows as objects would take a worker half a gigabyte."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annotations.annotators.measures import Floats, Indices, Labels, Mask
from annotations.models import Annotation, Reference, Stream

CHUNK_ROWS = 5_000


def read_labels() -> tuple[Labels, list[int]] | None:
    """And the ids of the annotators, by their index. None where nobody has labelled."""
    chunks = [_as_columns(rows) for rows in _in_chunks()]
    if not chunks:
        return None
    pk, track, annotator, level, replaced, answered_s, said_at, is_repeat, is_gold = map(
        np.concatenate, zip(*chunks, strict=True)
    )
    ids, annotator_index = np.unique(annotator, return_inverse=True)
    labels = Labels(
        track=np.unique(track, return_inverse=True)[1],
        annotator=annotator_index,
        level=level,
        is_current=~np.isin(pk, replaced),
        before=_level_before(pk, level, replaced, is_repeat),
        agreed=_agreed(track, is_gold),
        answered_s=answered_s,
        said_at=said_at,
    )
    return labels, ids.tolist()


def _in_chunks() -> Iterator[list[tuple[Any, ...]]]:
    """In the order of their ids: an annotation comes after the one it supersedes."""
    rows = Annotation.objects.order_by("pk").values_list(
        "pk", "track_id", "annotator_id", "level", "supersedes_id", "answered_s", "created_at", "source", "stream"
    )
    each = rows.iterator(CHUNK_ROWS)
    while chunk := list(islice(each, CHUNK_ROWS)):
        yield chunk


def _as_columns(rows: list[tuple[Any, ...]]) -> tuple[NDArray[Any], ...]:
    pk, track, annotator, level, supersedes, answered_s, created_at, source, stream = zip(*rows, strict=True)
    return (
        np.array(pk),
        np.array(track),
        np.array(annotator),
        np.array(level),
        np.array([each or 0 for each in supersedes]),
        np.array(answered_s, dtype=float),
        np.array(
            [
                np.nan if by == Annotation.Source.IMPORT else moment.timestamp()
                for by, moment in zip(source, created_at, strict=True)
            ]
        ),
        np.array([why == Stream.REPEAT for why in stream]),
        np.array([why == Stream.GOLD for why in stream]),
    )


def _level_before(pk: Indices, level: Indices, replaced: Indices, is_repeat: Mask) -> Floats:
    """Of repeats what stood until then."""
    place = np.minimum(np.searchsorted(pk, replaced), len(pk) - 1)
    return np.where(is_repeat & (replaced > 0), level[place], np.nan)


def _agreed(track: Indices, is_gold: Mask) -> Floats:
    """By today's word: leads may have changed their minds, or have taken it back."""
    gold = dict(Reference.objects.filter(use=Reference.Use.GOLD).values_list("track", "level"))
    agreed = np.full(len(track), np.nan)
    agreed[is_gold] = [gold.get(pk, np.nan) for pk in track[is_gold].tolist()]
    return agreed
