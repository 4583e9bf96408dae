"""Audio features from Spotify into the feature set `spotify`: what is missing is asked for, checked and stored."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from annotations.models import Track
from modeling.core.columns import Column
from modeling.core.feature_sets import FEATURE_SETS
from modeling.imports import store_vectors
from modeling.spotify.client import MAX_IDS, SpotifyClient
from modeling.spotify.ids import tracks_by_spotify_id

SPOTIFY = FEATURE_SETS["spotify"]


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
    return np.array([_number(entry.get(column.name), column) for column in SPOTIFY.documentation], dtype="<f4")


def _number(value: object, column: Column) -> float:
    # A bool is an int to Python.
    if isinstance(value, int | float) and not isinstance(value, bool) and column.limits and column.limits.allow(value):
        return float(value)
    raise TrackRefused(f"{column.name} is {reprlib.repr(value)}; expected {column.limits}")
