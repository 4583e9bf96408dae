"""Genres, chords and patterns: what is played when, for an intended level of energy.

Energy shows in tempo, density, loudness, brightness and distortion, each with a variation of its own, so that no
single one of them gives the level away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modeling.core.demo_music import synthesis
from modeling.core.demo_music.synthesis import RATE_HZ, Wave

_BEATS, _BARS = 4, 4  # a loop: four bars of four beats, one chord a bar
_STEPS = 16  # a bar in sixteenths
_ASPECT_SPREAD = 0.08  # of 0..1: how far each aspect of energy strays from the level, about 0.7 levels
_MASTERING_SPREAD_DB = 3.0  # tracks of one level are not equally loud
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 0, 4), (1, 4, 0, 0), (0, 5, 1, 4), (0, 6, 5, 4))
"""Degrees of the scale on which the triads of the four bars stand."""


@dataclass(frozen=True)
class Genre:
    """How a style turns energy into music. Patterns are sixteenths of a bar."""

    levels: range
    kin: str
    tempo_bpm: tuple[float, float]
    """At no and at full energy."""
    kicks: tuple[int, ...]
    snares: tuple[int, ...]
    drums: float
    """Gain of the drums, 0..1."""
    sustained: bool
    """Chords held as pads, not struck on each beat."""
    drive: float
    """Distortion at full energy, 0..1."""
    swing: float = 0.0
    """Delay of every second eighth, in sixteenths."""


_FOUR = (0, 4, 8, 12)
GENRES: dict[str, Genre] = {
    "ambient": Genre(range(1, 5), "electronic", (56, 84), (), (), 0.0, True, 0.0),
    "chamber": Genre(range(1, 7), "classical", (60, 130), (), (), 0.0, True, 0.0),
    "folk": Genre(range(2, 7), "acoustic", (72, 132), (0, 8), (12,), 0.3, False, 0.05),
    "lo-fi": Genre(range(3, 7), "hip hop", (68, 96), (0, 7, 10), (4, 12), 0.6, True, 0.1, swing=0.5),
    "jazz": Genre(range(3, 8), "swing", (84, 190), (0, 10), (4, 12), 0.45, False, 0.05, swing=0.65),
    "pop": Genre(range(4, 9), "dance", (88, 136), (0, 6, 8), (4, 12), 0.75, False, 0.25),
    "house": Genre(range(5, 10), "electronic", (112, 134), _FOUR, (4, 12), 1.0, True, 0.35),
    "rock": Genre(range(5, 10), "alternative", (96, 168), (0, 7, 8, 10), (4, 12), 0.9, False, 0.7),
    "drum and bass": Genre(range(6, 11), "electronic", (152, 178), (0, 10), (4, 12), 1.0, True, 0.6),
    "metal": Genre(range(7, 11), "rock", (120, 196), (0, 2, 4, 6, 8, 10, 12, 14), (4, 12), 1.0, False, 1.0),
}


@dataclass(frozen=True)
class _Song:
    """Everything that is decided before a note is played. Aspects are 0..1."""

    genre: Genre
    tempo_bpm: float
    density: float
    brightness: float
    drive: float
    rms_db: float
    root: int
    scale: tuple[int, ...]
    progression: tuple[int, ...]

    @property
    def beat_s(self) -> float:
        return 60 / self.tempo_bpm

    @property
    def loop_s(self) -> float:
        return self.beat_s * _BEATS * _BARS

    def pitch(self, degree: int, octave: int = 0) -> int:
        """MIDI number of a degree of the scale, counted from the root; degrees over 6 reach into the next octave."""
        return self.root + 12 * (octave + degree // 7) + self.scale[degree % 7]

    def step_s(self, bar: int, step: int) -> float:
        """When a sixteenth of the loop sounds."""
        swing = self.genre.swing if step % 4 == 2 else 0.0
        return self.beat_s * (bar * _BEATS + (step + swing) / 4)


def compose(rng: np.random.Generator, *, genre: str, level: int, duration_s: float) -> Wave:
    """A piece of that genre for that level (1 to 10), shape (duration_s * RATE_HZ,), |x| < 1."""
    song = _decide(rng, GENRES[genre], energy=(level - 1) / 9)
    drums, bass, chords = _drums(rng, song), _bass(rng, song), _chords(song)
    melodies = [_melody(rng, song), _melody(rng, song)]
    band = synthesis.drive(0.9 * bass + chords, song.drive)
    n_loops = int(np.ceil(duration_s / song.loop_s))
    parts = [_arrange(i, n_loops, drums, band, melodies[i % 2]) for i in range(n_loops)]
    mix = synthesis.low_pass(np.concatenate(parts), 1_800 * 6**song.brightness)
    return synthesis.master(mix[: round(duration_s * RATE_HZ)], rms_db=song.rms_db)


def _decide(rng: np.random.Generator, genre: Genre, *, energy: float) -> _Song:
    tempo, density, brightness, drive, loudness = np.clip(energy + rng.normal(0, _ASPECT_SPREAD, 5), 0, 1)
    slow, fast = genre.tempo_bpm
    return _Song(
        genre=genre,
        tempo_bpm=float(slow + (fast - slow) * tempo),
        density=float(density),
        brightness=float(brightness),
        drive=float(genre.drive * drive),
        rms_db=float(-31 + 20 * loudness + rng.normal(0, _MASTERING_SPREAD_DB)),
        root=int(rng.integers(43, 55)),
        scale=_MAJOR if rng.random() < 0.5 else _MINOR,
        progression=_PROGRESSIONS[rng.integers(len(_PROGRESSIONS))],
    )


def _arrange(i: int, n_loops: int, drums: Wave, band: Wave, melody: Wave) -> Wave:
    """One pass of the loop: the drums wait for half of the first one and rest for the end of the last but one."""
    played = drums.copy()
    half = len(drums) // 2
    if n_loops > 1 and i == 0:
        played[:half] = 0
    if n_loops > 2 and i == n_loops - 2:
        played[half + half // 2 :] = 0
    return played + band + (0.8 if i % 2 else 1.0) * melody


def _drums(rng: np.random.Generator, song: _Song) -> Wave:
    loop = synthesis.silence(song.loop_s)
    if not song.genre.drums:
        return loop
    kick, snare = (make(rng, hardness=song.brightness) for make in (synthesis.kick, synthesis.snare))
    hat = synthesis.hat(rng, open_s=0.02 + 0.05 * song.density)
    hats = range(0, _STEPS, 1 if song.density > 0.75 else 2 if song.density > 0.35 else 4)
    # At low energy a pattern loses hits, but keeps its first: the beat stays recognisable.
    kicks = [step for step in song.genre.kicks if step == 0 or rng.random() < 0.35 + song.density]
    for bar in range(_BARS):
        for steps, hit, gain in ((kicks, kick, 1.0), (song.genre.snares, snare, 0.8), (hats, hat, 0.5)):
            for step in steps:
                synthesis.put(loop, hit, song.step_s(bar, step), gain * rng.uniform(0.8, 1.0))
    for step in range(12, _STEPS):  # a fill into the next loop
        if rng.random() < song.density:
            synthesis.put(loop, snare, song.step_s(_BARS - 1, step), 0.5)
    return loop * np.float32(song.genre.drums * (0.5 + 0.6 * song.density))


def _bass(rng: np.random.Generator, song: _Song) -> Wave:
    loop = synthesis.silence(song.loop_s)
    every = 2 if song.density > 0.55 else 4 if song.density > 0.25 else 16
    length_s = song.beat_s * every / 4
    for bar, degree in enumerate(song.progression):
        for step in range(0, _STEPS, every):
            fifth = step and rng.random() < 0.2
            midi = song.pitch(degree + 4 if fifth else degree, octave=-1)
            wave = synthesis.note(midi, length_s, brightness=0.3 + 0.5 * song.brightness, decay_s=0.3 + length_s)
            synthesis.put(loop, wave, song.step_s(bar, step), 0.5)
    return loop


def _chords(song: _Song) -> Wave:
    loop = synthesis.silence(song.loop_s)
    steps = (0,) if song.genre.sustained else tuple(range(0, _STEPS, 2 if song.density > 0.6 else 4))
    length_s = song.beat_s * _BEATS / len(steps)
    attack_s, decay_s = (0.25 * (1.1 - song.density), 6.0) if song.genre.sustained else (0.004, 0.5)
    for bar, degree in enumerate(song.progression):
        for third in (0, 2, 4):
            for detune in (-0.06, 0.06):  # semitones; two voices that beat slowly sound wider than one
                midi = song.pitch(degree + third) + detune
                wave = synthesis.note(midi, length_s, brightness=song.brightness, attack_s=attack_s, decay_s=decay_s)
                for step in steps:
                    synthesis.put(loop, wave, song.step_s(bar, step), 0.14)
    return loop


def _melody(rng: np.random.Generator, song: _Song) -> Wave:
    """Steps through the scale that come to rest on chord notes at the start of each bar."""
    loop = synthesis.silence(song.loop_s)
    every = 1 if song.density > 0.85 else 2 if song.density > 0.4 else 4
    for bar, degree in enumerate(song.progression):
        place = degree + int(rng.choice([0, 2, 4]))
        for step in range(0, _STEPS, every):
            if step:
                place += int(rng.integers(-2, 3))
            if step and rng.random() > 0.45 + 0.5 * song.density:
                continue  # a rest
            midi = song.pitch(place, octave=1)
            wave = synthesis.note(midi, song.beat_s * every / 4, brightness=0.8 * song.brightness, decay_s=0.4)
            synthesis.put(loop, wave, song.step_s(bar, step), 0.22 * rng.uniform(0.7, 1.0))
    return loop
