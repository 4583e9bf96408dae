"""The 160 transfer features: a music convnet by Choi et al., trained on tags, read out after each of its five layers.

numpy makes the spectrogram, OpenVINO runs the net: 13 ms of CPU for a 30 s clip, on one thread (docs/benchmarks.md;
why OpenVINO: docs/adr/0005-the-runtime-of-the-convnet.md).

References
----------
Choi, Fazekas, Sandler and Cho, "Transfer learning for music classification and regression tasks", ISMIR 2017.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from modeling.core.audio import feature_window, lengthened
from modeling.core.convnet_weights import load, models_folder

if TYPE_CHECKING:
    from modeling.core.convnet_graph import Net

MIN_SAMPLES = 81_665
"""320 frames (5.1 s): with fewer, nothing is left of the time axis after the poolings. Shorter waveforms are looped."""

_N_FFT, _HOP = 512, 256
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_N_FFT) / _N_FFT)).astype(np.float32)
_MIN_POWER = 1e-10
_RANGE = 8 * math.log(10)  # 80 dB, in natural logarithms: the unit cancels in the end

_HALVES = ((slice(0, 64), slice(0, 48)), (slice(62, None), slice(48, None)))
"""Bins and the mel bands that lie in them: the other quarters of the mel matrix are zero, and left out."""

_FRAMES_AT_ONCE = 375
"""Temporary arrays of less than a MB: larger ones come from the system, zeroed page by page, for every clip anew."""


def transfer_features(waveform: NDArray[np.float32], *, folder: Path | None = None) -> NDArray[np.float32]:
    """Describe the loudest 30 s of a waveform by the mean of each of the net's 5 times 32 feature maps.

    The net normalises each clip, so the features do not change with loudness: `signal_features` carries the level.

    Parameters
    ----------
    waveform : shape (n_samples,), float32
        Mono, 16 kHz. Of more than 30 s the loudest 30 s are taken; less than 5.1 s is looped up to that length.
    folder : Path, optional
        Where `convnet_weights.install` put the weights; by default `models_folder()`.

    Returns
    -------
    shape (160,), float32
        32 means for each layer, first layer first. Each is > -1 (ELU).

    Raises
    ------
    ConvnetUnavailable
        If the weights are not installed.
    ValueError
        If the waveform is empty.
    """
    mel, net = _loaded(folder or models_folder())
    return net.means(_log_mel(lengthened(feature_window(waveform), MIN_SAMPLES), mel))


@cache
def _loaded(folder: Path) -> tuple[NDArray[np.float32], Net]:
    """The mel matrix and the compiled net, made once a process: with the first clip, so after the fork."""
    weights = load(folder)
    from modeling.core.convnet_graph import Net

    return weights.mel, Net(weights)


def _log_mel(waveform: NDArray[np.float32], mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-mel spectrogram, (96, n_frames): cut off 80 dB under the clip's maximum, then zero mean, unit variance."""
    n_frames = -(-len(waveform) // _HOP)
    padding = max((n_frames - 1) * _HOP + _N_FFT - len(waveform), 0)  # TensorFlow's 'same'
    padded = np.pad(waveform, (padding // 2, padding - padding // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[::_HOP]
    level = np.empty((n_frames, mel.shape[1]), np.float32)
    for start in range(0, n_frames, _FRAMES_AT_ONCE):
        some = slice(start, start + _FRAMES_AT_ONCE)
        spectrum = scipy.fft.rfft(frames[some] * _HANN, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        for bins, bands in _HALVES:
            np.matmul(power[:, bins], mel[bins, bands], out=level[some, bands])
    level = np.log(np.maximum(level, _MIN_POWER, out=level), out=level)
    level -= level.max()  # so that silence is zero exactly
    np.maximum(level, -_RANGE, out=level)
    level -= level.mean()
    level /= np.sqrt(np.mean(np.square(level))) + np.float32(1e-10)
    return level.T
