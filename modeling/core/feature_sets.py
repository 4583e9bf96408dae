"""The feature sets by name. Importing this costs nothing: the numeric stack loads when a set is first computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modeling.core import logmel_columns, signal_columns, spotify_columns
from modeling.core.columns import Column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from modeling.core.analysis import Analysis

    Vector = NDArray[np.float32]


@dataclass(frozen=True)
class FeatureSet:
    """A named, versioned row of numbers about a track.

    A version is never changed: when a column changes its meaning, the version goes up and stored vectors of the old
    key are out of date.
    """

    name: str
    version: int
    columns: tuple[str, ...]
    compute: Callable[[Vector], Vector] | None
    """Mono 16 kHz waveform to shape (len(columns),); None for a set that can only be imported."""

    compute_shared: Callable[[Analysis], Vector] | None = None
    """The same of an Analysis of the waveform: sets that are handed one analysis share its spectra, most of their cost."""

    about: str = ""
    documentation: tuple[Column, ...] = ()
    used_in_training: bool = True
    on_request: bool = False
    """Takes so much room that it is computed only where somebody asks for it by name."""

    @property
    def key(self) -> str:
        """Name with version, under which vectors are stored.

        >>> FEATURE_SETS["signal"].key
        'signal@2'
        """
        return f"{self.name}@{self.version}"


def _signal(analysis: Analysis) -> Vector:
    from modeling.core import signal_features

    return signal_features.describe(analysis)


def _transfer(analysis: Analysis) -> Vector:
    from modeling.core.convnet import transfer_features

    return transfer_features(analysis.waveform)


def _spotify_like(analysis: Analysis) -> Vector:
    from modeling.core import spotify_like

    return spotify_like.describe(analysis)


def _logmel(analysis: Analysis) -> Vector:
    from modeling.core import logmel

    return logmel.describe(analysis)


_TRANSFER_COLUMNS = tuple(
    Column(
        f"transfer_{32 * layer + feature_map:03d}",
        f"Feature map {feature_map} of convolutional layer {layer + 1}, mean over mel bands and time",
        "activation",
        "Choi et al. 2017",
    )
    for layer in range(5)
    for feature_map in range(32)
)


def _documented(
    name: str,
    version: int,
    documentation: tuple[Column, ...],
    compute_shared: Callable[[Analysis], Vector] | None,
    *,
    about: str,
    used_in_training: bool = True,
    on_request: bool = False,
) -> FeatureSet:
    def compute(waveform: Vector) -> Vector:
        from modeling.core.analysis import Analysis

        assert compute_shared is not None
        return compute_shared(Analysis(waveform))

    return FeatureSet(
        name=name,
        version=version,
        columns=tuple(column.name for column in documentation),
        compute=compute if compute_shared else None,
        compute_shared=compute_shared,
        about=about,
        documentation=documentation,
        used_in_training=used_in_training,
        on_request=on_request,
    )


FEATURE_SETS: dict[str, FeatureSet] = {
    feature_set.name: feature_set
    for feature_set in (
        _documented(
            "signal",
            signal_columns.VERSION,
            signal_columns.COLUMNS,
            _signal,
            about="Level, loudness, rhythm, timbre and harmony, measured.",
        ),
        _documented(
            "transfer",
            1,
            _TRANSFER_COLUMNS,
            _transfer,
            about="What a convnet that was trained to tag music hears. It cannot hear loudness.",
        ),
        _documented(
            "spotify",
            1,
            spotify_columns.SPOTIFY,
            None,
            about="Spotify's own audio features, imported or fetched: nothing here computes them.",
        ),
        _documented(
            "spotify_like",
            1,
            spotify_columns.SPOTIFY_LIKE,
            _spotify_like,
            about=(
                "Our estimates, from audio, of some of Spotify's features; not Spotify's numbers. Of synthesised pieces "
                "86 % of the keys and 79 % of the tempi are right (all, counting half and double); danceability and "
                "energy are formulas, fitted to nobody's labels."
            ),
            # They say again what the signal features say.
            used_in_training=False,
        ),
        _documented(
            "logmel",
            logmel_columns.VERSION,
            logmel_columns.COLUMNS,
            _logmel,
            about=(
                f"A log-mel spectrogram, {logmel_columns.N_BANDS} bands (`BB`) by {logmel_columns.N_STEPS} steps of 0.256 s "
                "(`TTT`) in columns `logmel_BB_TTT`, for the recipe `crnn` alone. 0 dB is a mean square of 1 in every Hz of a "
                f"band; what is under {logmel_columns.FLOOR_DB:.0f} dB is raised to it, and a clip of less than 30 s is filled "
                "up with it. Means of power: nothing is skipped, but hits that come faster than twice a second are one "
                "sound. 30 kB a track, 1.5 GB for 50,000 tracks of 30 s, and as much again for every 30 s of longer ones."
            ),
            used_in_training=False,
            on_request=True,
        ),
    )
}
