"""Features: rows -> audio -> core -> rows. Loaded by workers, never by the web process."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from celery.exceptions import SoftTimeLimitExceeded
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F
from numpy.typing import NDArray

from annotations.audio import playable_name
from annotations.models import Track
from modeling import window_features
from modeling.core import audio, decoding, playback
from modeling.core.analysis import Analysis
from modeling.core.decoding import AudioError, Recording
from modeling.core.feature_sets import FeatureSet
from modeling.core.loudness import integrated_loudness
from modeling.models import FeatureVector

logger = logging.getLogger(__name__)

# A file that kills its worker comes back to the next one; after this many it is the file.
MAX_ATTEMPTS = 3
# What the loop button of the player repeats: the part that annotators are told to judge; of a short clip a third.
LOUDEST_PART_S = 25
# BS.1770-4's absolute gate: under it nothing counts as heard, and no player should try to raise it.
INAUDIBLE_LUFS = -70.0

Rows = NDArray[np.float32]


def compute_features(track_id: int, feature_sets: Sequence[FeatureSet]) -> str:
    """Decode one track and store what it lacks: peaks, vectors and windows of these sets. A bad file costs its own track alone.

    Why it cannot be used, as a sentence for people; nothing when all went well. Safe to repeat, and to do twice at once.
    """
    track = Track.objects.defer("peaks").get(pk=track_id)
    if track.audio_state != Track.AudioState.WAITING and not _missing(track, feature_sets):
        return _known_problem(track, feature_sets)
    if track.features_attempts >= MAX_ATTEMPTS:
        return _give_up(
            track,
            feature_sets,
            f"It could not be read in {MAX_ATTEMPTS} attempts: it stopped the worker, or the storage failed.",
        )
    Track.objects.filter(pk=track.pk).update(features_attempts=F("features_attempts") + 1)
    try:
        recording = _load(track)
        _make_playable(track, recording)
        analysis = Analysis(recording.waveform)
        facts = _facts(recording, analysis)
        track.duration_s = facts["duration_s"]
        missing = _missing(track, feature_sets)
        rows = _rows(analysis, missing)
    except OSError as problem:
        # The storage's fault, perhaps a passing one: the track is tried again.
        logger.warning("%s cannot be read from the storage: %s", track.audio.name, problem)
        return f"It cannot be read from the storage: {problem}"
    except (AudioError, MemoryError, SoftTimeLimitExceeded) as problem:
        reason = _reason(problem)
    else:
        _store(track, facts, missing, rows)
        return _known_problem(track, feature_sets)
    # Out here, where the exception no longer keeps alive what filled the memory.
    return _give_up(track, feature_sets, reason)


def _known_problem(track: Track, feature_sets: Iterable[FeatureSet]) -> str:
    """Of a track that is done with, perhaps by another worker: why it cannot be used, or which sets it goes without."""
    if track.audio_state == Track.AudioState.BAD:
        return track.audio_problem
    failed = set(track.feature_vectors.filter(values=b"").values_list("feature_set", flat=True))
    names = [feature_set.name for feature_set in feature_sets if feature_set.key in failed]
    return f"It can be used, but {' and '.join(names)} could not be computed of it." if names else ""


def _load(track: Track) -> Recording:
    with track.audio.open("rb"):
        pass  # whether the storage has it: what is wrong with the file itself is the decoder's to say
    return decoding.load(track.audio.path)


def _make_playable(track: Track, recording: Recording) -> None:
    """Keep a copy for browsers of a file that they cannot play, or whose damage puts their clock out of step with the peaks."""
    source, target = track.audio.path, Path(default_storage.path(playable_name(track)))
    if not target.exists() and (recording.damage or not playback.is_playable(source)):
        playback.write_copy(source, target)


def _facts(recording: Recording, analysis: Analysis) -> dict[str, Any]:
    """What the track's row is to say of its audio."""
    waveform, duration_s = recording.waveform, audio.duration_s(recording.waveform)
    loudest_start_s, loudest_end_s = audio.loudest_part(waveform, min(LOUDEST_PART_S, duration_s / 3))
    return {
        "audio_damage": recording.damage[:300],
        "duration_s": duration_s,
        "peaks": audio.peaks(waveform),
        "loudest_start_s": loudest_start_s,
        "loudest_end_s": loudest_end_s,
        "loudness_lufs": _loudness_lufs(analysis),
    }


def _loudness_lufs(analysis: Analysis) -> float | None:
    """Integrated loudness of the loudest 30 s: what is judged sounds equally loud in all tracks that a player makes so.
    By the whole song, one with a long quiet start would be raised, and its loudest part with it. None: too quiet to count.

    The same number as `loudness_lufs` of the signal set, by which migration 0005 filled in tracks that were known before.
    """
    loudness = integrated_loudness(analysis)
    return loudness if loudness > INAUDIBLE_LUFS else None


def _reason(problem: Exception) -> str:
    # FFmpeg's own lack of memory comes as a damaged file.
    if isinstance(problem, MemoryError) or isinstance(problem.__cause__, MemoryError):
        return "It needs more memory than a worker may use."
    if isinstance(problem, SoftTimeLimitExceeded):
        return "Reading it took too long and was stopped."
    return str(problem)


def _missing(track: Track, feature_sets: Iterable[FeatureSet]) -> list[FeatureSet]:
    """What is to be computed of a track that waits or plays: sets without a vector, and sets without their windows."""
    if track.audio_state not in {Track.AudioState.WAITING, Track.AudioState.READY}:
        return []
    values = dict(track.feature_vectors.values_list("feature_set", "values"))
    return [
        wanted
        for wanted in feature_sets
        if wanted.key not in values or (values[wanted.key] and window_features.are_missing(track, wanted))
    ]


def _rows(analysis: Analysis, wanted: Iterable[FeatureSet]) -> list[Rows | None]:
    """For each set, what it makes of the loudest 30 s, in the first row, and of each window of a longer track, in the others.

    None where the set fails: the track keeps the others.
    """
    windows = audio.windows(analysis.waveform)
    # One analysis for all sets: the spectra are most of the cost of each.
    of_stretches = [[_row(feature_set, analysis) for feature_set in wanted]]
    for window in windows if len(windows) > 1 else ():
        of_window = Analysis(window)
        of_stretches.append([_row(feature_set, of_window) for feature_set in wanted])
    of_sets = zip(*of_stretches, strict=True)
    return [None if any(row is None for row in of_set) else np.stack(of_set) for of_set in of_sets]


def _row(feature_set: FeatureSet, analysis: Analysis) -> Rows | None:
    try:
        row = _computed(feature_set, analysis)
    except (ArithmeticError, ValueError) as problem:
        logger.warning("%s cannot be computed: %s", feature_set.key, problem)
        return None
    if not np.isfinite(row).all():
        names = [name for name, value in zip(feature_set.columns, row, strict=True) if not np.isfinite(value)]
        logger.warning("%s cannot be computed: %s not finite", feature_set.key, ", ".join(names))
        return None
    return row


def _computed(feature_set: FeatureSet, analysis: Analysis) -> Rows:
    if feature_set.compute_shared:
        return feature_set.compute_shared(analysis)
    assert feature_set.compute is not None
    return feature_set.compute(analysis.waveform)


def _store(track: Track, facts: dict[str, Any], wanted: Sequence[FeatureSet], rows: Sequence[Rows | None]) -> None:
    # Files first: a track that has its vectors is not looked at again.
    for feature_set, of_set in zip(wanted, rows, strict=True):
        if of_set is not None and len(of_set) > 1:
            window_features.write(track, feature_set, of_set[1:])
    with transaction.atomic():
        _store_vectors(track, wanted, [None if of_set is None else of_set[0] for of_set in rows])
        usable = Track.objects.filter(pk=track.pk).exclude(audio_state=Track.AudioState.BAD)
        usable.update(audio_state=Track.AudioState.READY, features_attempts=0, features_queued_at=None, **facts)


def _store_vectors(track: Track, feature_sets: Sequence[FeatureSet], vectors: Sequence[Rows | None]) -> None:
    """One vector a set, in place of those of its other versions, which nothing reads any more. An empty one for None."""
    for feature_set in feature_sets:
        versions = track.feature_vectors.filter(feature_set__startswith=f"{feature_set.name}@")
        versions.exclude(feature_set=feature_set.key).delete()
    FeatureVector.objects.bulk_create(
        [
            FeatureVector(
                track=track,
                feature_set=feature_set.key,
                values=b"" if vector is None else vector.astype("<f4").tobytes(),
            )
            for feature_set, vector in zip(feature_sets, vectors, strict=True)
        ],
        # Two workers may have computed the same: the vectors are equal, either may stay.
        ignore_conflicts=True,
    )


@transaction.atomic
def _give_up(track: Track, feature_sets: Iterable[FeatureSet], reason: str) -> str:
    """A track that waits is bad. One that plays stays playable, and what it lacks is not tried again."""
    waiting = Track.objects.filter(pk=track.pk, audio_state=Track.AudioState.WAITING)
    if not waiting.update(audio_state=Track.AudioState.BAD, audio_problem=reason[:300], features_queued_at=None):
        logger.warning("%s goes without features that it lacks: %s", track, reason)
        missing = _missing(track, feature_sets)
        _store_vectors(track, missing, [None] * len(missing))
        Track.objects.filter(pk=track.pk).update(features_attempts=0, features_queued_at=None)
    return reason
