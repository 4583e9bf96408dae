"""The feature sets by name. Importing this costs nothing: the numeric stack loads when a set is first computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modeling.core import signal_columns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Waveform = NDArray[np.float32]


@dataclass(frozen=True)
class FeatureSet:
    """A named, versioned row of numbers about a track.

    A version is never changed: when a column changes its meaning, the version goes up and stored vectors of the old
    key are out of date.
    """

    name: str
    version: int
    columns: tuple[str, ...]
    compute: Callable[[Waveform], NDArray[np.float32]] | None
    """Mono 16 kHz waveform to shape (len(columns),); None for a set that can only be imported."""

    @property
    def key(self) -> str:
        """Name with version, under which vectors are stored.

        >>> FEATURE_SETS["signal"].key
        'signal@1'
        """
        return f"{self.name}@{self.version}"


def _signal(waveform: Waveform) -> NDArray[np.float32]:
    from modeling.core.signal_features import signal_features

    return signal_features(waveform)


def _transfer(waveform: Waveform) -> NDArray[np.float32]:
    from modeling.core.convnet import transfer_features

    return transfer_features(waveform)


_SPOTIFY_COLUMNS = (
    "danceability",
    "energy",
    "key",
    "loudness",
    "mode",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "time_signature",
)

FEATURE_SETS: dict[str, FeatureSet] = {
    feature_set.name: feature_set
    for feature_set in (
        FeatureSet("signal", signal_columns.VERSION, tuple(c.name for c in signal_columns.COLUMNS), _signal),
        FeatureSet("transfer", 1, tuple(f"transfer_{i:03d}" for i in range(160)), _transfer),
        FeatureSet("spotify", 1, _SPOTIFY_COLUMNS, None),
    )
}
