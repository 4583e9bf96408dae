"""The rows of the queue as CSV, for a spreadsheet. As blind as the page: what the lead has not heard stays covered."""

from collections.abc import Iterator
from typing import Any

from annotations.models import Flag, FlagQuerySet
from annotations.review.why import why
from energyapp import spreadsheets

HEAD = [
    "uri",
    "title",
    "artist",
    "genres",
    "n_labels",
    "suspicion",
    "reason",
    "other_reasons",
    "raised_by",
    "heard",
    "level",
    "expected_level",
    "annotator",
    "why",
    "decision",
    "decided_by",
    "decided_at",
    "changed_to",
    "note",
]
NOT_HEARD = "no: level, expected level and annotator stay covered until you have said what you hear"
BATCH_SIZE = 500


def csv_lines(rows: FlagQuerySet) -> Iterator[str]:
    return spreadsheets.csv_lines(HEAD, map(_cells, rows.iterator(chunk_size=BATCH_SIZE)))


def _cells(flag: Flag) -> Iterator[Any]:
    annotation, track, decision = flag.annotation, flag.annotation.track, flag.standing
    heard = flag.is_heard  # type: ignore[attr-defined]  # by `heard_by`
    yield from (track.uri, track.title, track.artist)
    yield "; ".join(genre.name for genre in track.genres.all())
    yield from (track.n_annotators, round(flag.suspicion, 2), flag.get_reason_display())
    yield "; ".join(other.get_reason_display() for other in annotation.flags.all() if other.pk != flag.pk)
    yield flag.source
    if heard:
        yield from (
            "yes",
            annotation.level,
            round(flag.expected_level, 2),
            annotation.annotator.display_name,
            why(flag),
        )
    else:
        yield from (NOT_HEARD, "", "", "", "")
    if decision:
        yield from (decision.get_verdict_display(), decision.decided_by.display_name)
        yield decision.created_at.isoformat(timespec="seconds")
        yield from (decision.level, decision.note) if heard else ("", "")
    else:
        yield from ("", "", "", "", "")
