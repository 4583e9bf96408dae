"""What tracks there are (levels, genres, artists, titles), and writing them as MP3 files."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from modeling.core.demo_music.composition import GENRES, compose
from modeling.core.demo_music.synthesis import RATE_HZ

N_LEVELS = 10
THESIS_LEVEL_COUNTS = (310, 1056, 2521, 5359, 8671, 10983, 9393, 3329, 976, 156)
"""Table 3.4 of the thesis: how unbalanced real labels are, level 1 first."""

_ARTISTS = (
    *(
        "Sine and Sons",
        "The Envelopes",
        "Detuned Choir",
        "Nyquist Quartet",
        "Paper Oscillator",
        "Patch Cable Trio",
        "Noise Floor",
    ),
    *(
        "Low-Pass Larry",
        "Swing Function",
        "The Blue Notches",
        "Vocoder Valley",
        "Duty Cycle",
        "Gate and Trigger",
        "Control Voltage",
    ),
    *("The Square Waves", "Feedback Loop", "Aliasing Aunts", "Phase Lock", "Sawtooth Union", "Hard Clipping"),
)
_FIRST_WORDS = (
    *("Analog", "Binary", "Cubic", "Dithered", "Elastic", "Folded", "Glacial", "Hollow"),
    *("Inner", "Linear", "Magnetic", "Northern", "Orbital", "Paper", "Rolling", "Tidal"),
)
_LAST_WORDS = (
    *("Arcade", "Bridge", "Current", "Delay", "Engine", "Fields", "Gradient", "Harbour"),
    *("Index", "Lantern", "Machine", "Nocturne", "Orchard", "Pulse", "Signal", "Tower"),
)


@dataclass(frozen=True)
class DemoTrack:
    """One generated track; `level` is the energy it was composed for, which nobody has judged."""

    uri: str
    file_name: str
    title: str
    artist: str
    genres: tuple[str, ...]
    level: int


def write_library(
    folder: Path, *, seed: int, n_tracks: int = 60, duration_s: float = 30, n_processes: int | None = None
) -> list[DemoTrack]:
    """Compose the library and write one mono MP3 (22 kHz) a track to the folder.

    The same seed writes the same bytes on one machine, whatever the number of processes (by default one a core).
    Sixty tracks of 30 s take about 0.3 s of CPU each.

    Raises
    ------
    ValueError
        If n_tracks is not 1 to 256 (there are no more titles).
    """
    tracks = plan_library(seed=seed, n_tracks=n_tracks)
    folder.mkdir(parents=True, exist_ok=True)
    write = partial(_write_track, folder, seed, duration_s)
    n_processes = n_processes or os.cpu_count() or 1
    if n_processes == 1:
        for i, track in enumerate(tracks):
            write(i, track)
        return tracks
    # Spawned, not forked: the caller may hold database connections and threads.
    with ProcessPoolExecutor(n_processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(write, range(n_tracks), tracks))
    return tracks


def plan_library(*, seed: int, n_tracks: int = 60) -> list[DemoTrack]:
    """Which tracks `write_library` makes: levels as unbalanced as the thesis's, two of each at least from 20 on."""
    if not 1 <= n_tracks <= len(_FIRST_WORDS) * len(_LAST_WORDS):
        raise ValueError(f"n_tracks is {n_tracks}; expected 1 to {len(_FIRST_WORDS) * len(_LAST_WORDS)}")
    rng = np.random.default_rng([seed, 0])
    levels = rng.permutation(np.repeat(np.arange(1, N_LEVELS + 1), level_counts(n_tracks)))
    titles = rng.choice(len(_FIRST_WORDS) * len(_LAST_WORDS), n_tracks, replace=False)
    return [
        _plan_track(rng, i, int(level), int(title)) for i, (level, title) in enumerate(zip(levels, titles, strict=True))
    ]


def level_counts(n_tracks: int) -> list[int]:
    """Tracks of each level, level 1 first.

    >>> level_counts(60)
    [2, 3, 5, 7, 10, 12, 11, 5, 3, 2]
    """
    at_least = min(2, n_tracks // N_LEVELS)
    left = n_tracks - at_least * N_LEVELS
    ideal = left * np.array(THESIS_LEVEL_COUNTS) / sum(THESIS_LEVEL_COUNTS)
    counts = np.floor(ideal).astype(int)
    largest_remainders = np.argsort(counts - ideal, kind="stable")[: left - counts.sum()]
    counts[largest_remainders] += 1
    return [int(n) for n in counts + at_least]


def _plan_track(rng: np.random.Generator, i: int, level: int, title: int) -> DemoTrack:
    names = list(GENRES)
    genre = int(rng.choice([g for g, name in enumerate(names) if level in GENRES[name].levels]))
    artist = _ARTISTS[2 * genre + int(rng.integers(2))]  # two artists play each genre
    genres = (names[genre],) if rng.random() < 0.7 else (names[genre], GENRES[names[genre]].kin)
    return DemoTrack(
        uri=f"demo:{i + 1:03d}",
        file_name=f"demo_{i + 1:03d}.mp3",
        title=f"{_FIRST_WORDS[title // len(_LAST_WORDS)]} {_LAST_WORDS[title % len(_LAST_WORDS)]}",
        artist=f"{artist} (generated)",
        genres=genres,
        level=level,
    )


def _write_track(folder: Path, seed: int, duration_s: float, i: int, track: DemoTrack) -> None:
    rng = np.random.default_rng([seed, 1, i])  # of its own: a track does not depend on which process made the others
    waveform = compose(rng, genre=track.genres[0], level=track.level, duration_s=duration_s)
    samples = np.rint(waveform * 32767).astype(np.int16)
    # MP3 because libsndfile's Ogg files carry a random serial number: no two runs would write the same bytes.
    soundfile.write(
        folder / track.file_name,
        samples,
        RATE_HZ,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=0.7,
    )
