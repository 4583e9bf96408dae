"""Lists of tracks that people paste or upload, one uri a line: what they name, and what of it cannot be taken."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import F, Q

from annotations.models import Reference, Track, TrackQuerySet

# Uris in one question to the database.
CHUNK = 5_000
# Of what is left out, on a page, for each reason.
N_SHOWN = 20
# Those that wait are ready before long.
HEARABLE = frozenset({Track.AudioState.READY, Track.AudioState.WAITING})


class Named(NamedTuple):
    """As much of a track as is needed to say whether it can be handed out."""

    pk: int
    n_annotators: int
    audio_state: str
    use: str | None
    is_excluded: bool


@dataclass
class Findings:
    """What a list names: tracks in its order, each once; and what of it is left out, by why."""

    taken: list[int] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    @property
    def n_left_out(self) -> int:
        return sum(map(len, self.left_out.values()))


def left_out_for_page(findings: Findings) -> list[dict[str, Any]]:
    return [
        {"why": why, "n": len(uris), "shown": uris[:N_SHOWN], "n_more": max(0, len(uris) - N_SHOWN)}
        for why, uris in findings.left_out.items()
    ]


def uris_in(text: str) -> list[str]:
    r"""The lines that are not empty.

    >>> uris_in("my:1\r\n\r\n  my:2 ")
    ['my:1', 'my:2']
    """
    return [line.strip() for line in text.splitlines() if line.strip()]


def find(uris: Sequence[str], *, objection: Callable[[Named], str]) -> Findings:
    """Look up what is listed. `objection` says why a track cannot be taken; an empty string if it can."""
    distinct = list(dict.fromkeys(uris))
    tracks = dict(_named(distinct))
    findings = Findings()
    for uri in distinct:
        track = tracks.get(uri)
        if why := objection(track) if track else "not found":
            findings.left_out.setdefault(why, []).append(uri)
        elif track:
            findings.taken.append(track.pk)
    return findings


def _named(uris: list[str]) -> Iterator[tuple[str, Named]]:
    for start in range(0, len(uris), CHUNK):
        tracks = Track.objects.filter(uri__in=uris[start : start + CHUNK]).order_by()
        in_training = set(tracks.in_training().values_list("pk", flat=True))
        rows = tracks.annotate(use=F("reference__use"))
        for uri, pk, n_annotators, state, use in rows.values_list("uri", "pk", "n_annotators", "audio_state", "use"):
            yield uri, Named(pk, n_annotators, state, use, pk not in in_training)


def to_being_assigned(track: Named) -> str:
    if track.use == Reference.Use.EXAMPLE:
        return "an example, which nobody is given to label"
    if track.is_excluded:
        return "excluded from training by a lead, so nobody is given it"
    return "" if track.audio_state in HEARABLE else "without audio that can be played"


def to_being_new(track: Named) -> str:
    """Against a place in an order of new tracks."""
    if track.use == Reference.Use.GOLD:
        return "gold, which has a stream of its own"
    return "labelled already" if track.n_annotators else to_being_assigned(track)


def matching(tracks: TrackQuerySet, query: str) -> TrackQuerySet:
    """Those with these words in title, artist or uri."""
    return tracks.filter(Q(title__icontains=query) | Q(artist__icontains=query) | Q(uri__icontains=query))
