"""Audio features from Spotify into the feature set `spotify`: what is missing is asked for, checked and stored."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from annotations.models import Track
from modeling.core.feature_sets import FEATURE_SETS
from modeling.imports import store_vectors
from modeling.spotify.client import MAX_IDS, SpotifyClient
from modeling.spotify.ids import tracks_by_spotify_id

SPOTIFY = FEATURE_SETS["spotify"]

# Where Spotify's documentation names no limits, ample ones: 20,000 real tracks have -56 to 4 dB and 0 to 241 BPM.
_RANGES = dict.fromkeys(SPOTIFY.columns, (0, 1)) | {
    "key": (-1, 11),  # semitones above C; -1: none was found
    "loudness": (-100, 20),  # dB
    "tempo": (0, 400),  # beats a minute
    "time_signature": (0, 7),  # beats a bar
}
_WHOLE = {"key", "mode", "time_signature"}


class TrackRefused(Exception):
    """Spotify's numbers about one track cannot be taken; the message says what was found and what was expected."""


@dataclass(frozen=True)
class FetchedBatch:
    """What came of one request."""

    n_stored: int
    refused: dict[str, str]
    """Spotify id to reason."""


def tracks_without_features(*, limit: int | None = None) -> dict[str, list[int]]:
    """Track ids by Spotify id, of at most `limit` tracks that Spotify may know and whose features are not here."""
    lacking = tracks_by_spotify_id(Track.objects.exclude(feature_vectors__feature_set=SPOTIFY.key))
    return dict(islice(lacking.items(), limit))


def fetch_features(wanted: dict[str, list[int]], *, client: SpotifyClient) -> Iterator[FetchedBatch]:
    """Ask for as many tracks as a request may name and store them before asking on: nothing is asked for twice."""
    spotify_ids = iter(wanted)
    while batch := list(islice(spotify_ids, MAX_IDS)):
        yield _store(dict(zip(batch, client.audio_features(batch), strict=True)), wanted)


def _store(entries: dict[str, object], wanted: dict[str, list[int]]) -> FetchedBatch:
    vectors: dict[int, NDArray[np.float32]] = {}
    refused: dict[str, str] = {}
    for spotify_id, entry in entries.items():
        try:
            values = _values(entry, spotify_id)
        except TrackRefused as problem:
            refused[spotify_id] = str(problem)
        else:
            vectors |= dict.fromkeys(wanted[spotify_id], values)
    store_vectors(SPOTIFY, vectors)
    return FetchedBatch(len(entries) - len(refused), refused)


def _values(entry: object, spotify_id: str) -> NDArray[np.float32]:
    if entry is None:
        raise TrackRefused("Spotify knows no audio features of it")
    if not isinstance(entry, dict) or entry.get("id") != spotify_id:
        raise TrackRefused(f"Spotify's answer in its place is {reprlib.repr(entry)}")
    return np.array([_number(entry.get(column), column) for column in SPOTIFY.columns], dtype="<f4")


def _number(value: object, column: str) -> float:
    (low, high), must_be_whole = _RANGES[column], column in _WHOLE
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)  # which is an int to Python
        and low <= value <= high  # NaN is in no range
        and not (must_be_whole and value % 1)
    ):
        return float(value)
    kind = "whole number" if must_be_whole else "number"
    raise TrackRefused(f"{column} is {reprlib.repr(value)}; expected a {kind} from {low} to {high}")
