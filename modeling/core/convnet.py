"""The 160 transfer features: a music convnet by Choi et al., trained on tags, read out after each of its five layers.

The weights are not ours to ship (their repository states no licence): `fetch` or `install` puts them in a folder,
checked by sha256 and prepared as one .npz file, which is all that inference needs.

The net runs in numpy: 33 ms of CPU for a 30 s clip (one thread, mel spectrogram included) in a process of 80 MB.
TFLite does it in 17 ms, but comes with TensorFlow: 600 MB and many seconds of import in every worker, a bad price for
16 ms of about 90 a track.

Maps are laid out (channels, mel, time). Batch normalisation is folded into the convolutions.

References
----------
Choi, Fazekas, Sandler and Cho, "Transfer learning for music classification and regression tasks", ISMIR 2017.
"""

from __future__ import annotations

import hashlib
import os
import queue
import tempfile
import threading
import urllib.request
import zipfile
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from modeling.core.audio import feature_window, lengthened

WEIGHTS_SHA256 = "b5042bd44de1fdd9d757b764d9246e6934f47c8bdc5c15bf13566495f3439d48"
WEIGHTS_URL = (
    "https://raw.githubusercontent.com/keunwoochoi/transfer_learning_music/"
    "e1f83c389ff32ce48551f916414ae869cbe7f6e6/keras2_model/model_best.hdf5"
)
MAX_WEIGHTS_BYTES = 4 * 2**20
"""The file has 1.5 MB: more than this is something else."""

N_FEATURES = 160
MIN_SAMPLES = 81_665
"""320 frames (5.1 s): with fewer, nothing is left of the time axis after the poolings. Shorter waveforms are looped."""

_N_FFT, _HOP = 512, 256
_N_LAYERS, _N_MAPS = 5, 32
_POOLINGS = ((2, 4), (3, 4), (2, 5), (2, 4))  # (mel, time) after layers 1 to 4
_MIN_POWER, _RANGE_DB = 1e-10, 80.0
_BLOCK_FRAMES = 40  # a multiple of every pooling in time; a block of layer 1 then stays in a core's cache
_PREPARED_NAME = "convnet.npz"


class ConvnetUnavailable(Exception):
    """The weights are not here, or cannot be had. The message says what to do."""


@dataclass(frozen=True)
class _Weights:
    mel: NDArray[np.float32]
    """Power spectrum to mel bands, shape (257, 96): 12 kHz bands applied to 16 kHz audio, as the net was trained."""
    kernels: tuple[NDArray[np.float32], ...]
    """One (32, 9 * n_channels) matrix a layer, columns ordered (mel offset, time offset, channel)."""
    biases: tuple[NDArray[np.float32], ...]


def transfer_features(waveform: NDArray[np.float32], *, folder: Path | None = None) -> NDArray[np.float32]:
    """Describe the loudest 30 s of a waveform by the mean of each of the net's 5 times 32 feature maps.

    The net normalises each clip, so the features do not change with loudness: `signal_features` carries the level.

    Parameters
    ----------
    waveform : shape (n_samples,), float32
        Mono, 16 kHz. Of more than 30 s the loudest 30 s are taken; less than 5.1 s is looped up to that length.
    folder : Path, optional
        Where `install` put the weights; by default `models_folder()`.

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
    weights = _loaded_weights(folder or models_folder())
    maps = _log_mel(lengthened(feature_window(waveform), MIN_SAMPLES), weights.mel)[None]
    means = []
    for kernel, bias, pooling in zip(weights.kernels, weights.biases, (*_POOLINGS, (1, 1)), strict=True):
        mean, maps = _layer(maps, kernel, bias, pooling)
        means.append(mean)
    return np.concatenate(means).astype(np.float32)


def models_folder() -> Path:
    """Where weights are installed: the environment variable ENERGYAPP_MODELS, else var/models here."""
    return Path(os.environ.get("ENERGYAPP_MODELS") or "var/models")


def is_installed(folder: Path | None = None) -> bool:
    """Whether `transfer_features` finds its weights in the folder."""
    return ((folder or models_folder()) / _PREPARED_NAME).is_file()


def install(source: Path, folder: Path | None = None) -> Path:
    """Check the published weights file (Keras 2 HDF5) and write what inference needs to the folder; returns that file.

    Raises
    ------
    ConvnetUnavailable
        If the source cannot be read, or is not the file with WEIGHTS_SHA256.
    """
    try:
        content = Path(source).read_bytes()
    except OSError as error:
        raise ConvnetUnavailable(f"The weights cannot be read from {source}: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != WEIGHTS_SHA256:
        raise ConvnetUnavailable(
            f"{source} is not the published file: its sha256 is {found}, expected {WEIGHTS_SHA256}"
        )
    target = (folder or models_folder()) / _PREPARED_NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        prepared = Path(temporary) / _PREPARED_NAME
        np.savez(prepared, allow_pickle=False, **_prepare(Path(source)))
        prepared.replace(target)  # at once: a worker that starts now sees all of it or nothing
    _loaded_weights.cache_clear()
    return target


def fetch(folder: Path | None = None, *, timeout_s: float = 5, url: str = WEIGHTS_URL) -> Path:
    """Download the published weights and install them, all within timeout_s seconds.

    Raises
    ------
    ConvnetUnavailable
        If the address does not answer, or not in time, or with anything but the published file.
    """
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "weights.hdf5"
        source.write_bytes(_download(url, timeout_s=timeout_s))
        return install(source, folder)


def _download(url: str, *, timeout_s: float) -> bytes:
    """Bytes of the address. A thread reads them: name look-ups and dripping servers ignore socket timeouts."""
    answers: queue.SimpleQueue[bytes | OSError] = queue.SimpleQueue()
    threading.Thread(target=_read_into, args=(answers, url, timeout_s), daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty as error:
        raise ConvnetUnavailable(f"{url} did not deliver the weights within {timeout_s:g} s") from error
    if isinstance(answer, OSError):
        raise ConvnetUnavailable(f"The weights cannot be fetched from {url}: {answer}") from answer
    if len(answer) > MAX_WEIGHTS_BYTES:
        raise ConvnetUnavailable(f"{url} sends more than {MAX_WEIGHTS_BYTES} bytes: not the weights")
    return answer


def _read_into(answers: queue.SimpleQueue[bytes | OSError], url: str, timeout_s: float) -> None:
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as response:
            answers.put(response.read(MAX_WEIGHTS_BYTES + 1))
    except OSError as error:  # URLError, timeouts and broken connections are all OSErrors
        answers.put(error)


def _prepare(source: Path) -> dict[str, NDArray[np.float32]]:
    import h5py  # needed at installation only

    with h5py.File(source) as file:
        weights = file["model_weights"]
        arrays = {"mel": weights["melgram/melgram/Variable:0"][()]}
        for i in range(1, _N_LAYERS + 1):
            convolution = weights[f"conv2d_{i}/conv2d_{i}"]
            norm_group = weights[f"batch_normalization_{i}/batch_normalization_{i}"]
            norm = {name.removesuffix(":0"): value[()].astype(np.float64) for name, value in norm_group.items()}
            scale = norm["gamma"] / np.sqrt(norm["moving_variance"] + 1e-3)
            kernel = convolution["kernel:0"][()] * scale  # (mel, time, channels, maps)
            bias = (convolution["bias:0"][()] - norm["moving_mean"]) * scale + norm["beta"]
            arrays[f"kernel_{i}"] = kernel.transpose(3, 0, 1, 2).reshape(_N_MAPS, -1)
            arrays[f"bias_{i}"] = bias[:, None]
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


@cache
def _loaded_weights(folder: Path) -> _Weights:
    """The prepared weights, read once a process (after the fork, on first use)."""
    path = folder / _PREPARED_NAME
    try:
        with np.load(path, allow_pickle=False) as arrays:
            layers = range(1, _N_LAYERS + 1)
            return _Weights(
                mel=arrays["mel"],
                kernels=tuple(arrays[f"kernel_{i}"] for i in layers),
                biases=tuple(arrays[f"bias_{i}"] for i in layers),
            )
    except FileNotFoundError as error:
        raise ConvnetUnavailable(f"The convnet's weights are not installed in {folder}: run install_convnet") from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ConvnetUnavailable(f"{path} is damaged ({error}): run install_convnet again") from error


def _log_mel(waveform: NDArray[np.float32], mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised log-mel spectrogram, (96, n_frames): dB under the clip's maximum, then zero mean, unit variance."""
    n_frames = -(-len(waveform) // _HOP)
    padding = max((n_frames - 1) * _HOP + _N_FFT - len(waveform), 0)  # TensorFlow's 'same'
    padded = np.pad(waveform, (padding // 2, padding - padding // 2))
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_N_FFT) / _N_FFT)).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[::_HOP]
    spectrum = scipy.fft.rfft(frames * hann, axis=1)
    level_db = 10 * np.log10(np.maximum((spectrum.real**2 + spectrum.imag**2) @ mel, _MIN_POWER))
    level_db = np.maximum(level_db - level_db.max(), -_RANGE_DB)
    normal = (level_db - level_db.mean(dtype=np.float64)) / (level_db.std(dtype=np.float64) + 1e-10)
    return normal.T.astype(np.float32)


def _layer(
    maps: NDArray[np.float32], kernel: NDArray[np.float32], bias: NDArray[np.float32], pooling: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """One 3x3 convolution (same), ELU and max pooling: the 32 means of the ELU before pooling, and the pooled maps.

    Block after block of time, so that the 9-fold copy the matrix product needs stays small.
    """
    n_channels, n_mels, n_frames = maps.shape
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    total, pooled = np.zeros(_N_MAPS), []
    for start in range(0, n_frames, _BLOCK_FRAMES):
        n = min(_BLOCK_FRAMES, n_frames - start)
        columns = np.empty((3, 3, n_channels, n_mels, n), np.float32)
        for i in range(3):
            for j in range(3):
                columns[i, j] = padded[:, i : i + n_mels, start + j : start + j + n]
        linear = kernel @ columns.reshape(9 * n_channels, -1)
        linear += bias
        total += _sum_of_elu(linear)
        pooled.append(_elu(_max_pool(linear.reshape(_N_MAPS, n_mels, n), pooling)))
    return total / (n_mels * n_frames), np.concatenate(pooled, axis=2)


def _sum_of_elu(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum of ELU over each row, shape (32,): x for positive x, exp(x) - 1 for negative."""
    negative = np.minimum(linear, 0)
    total = linear.sum(axis=1) - negative.sum(axis=1)
    return total + np.exp(negative, out=negative).sum(axis=1) - linear.shape[1]


def _elu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _max_pool(maps: NDArray[np.float32], pooling: tuple[int, int]) -> NDArray[np.float32]:
    """Maximum over full (mel, time) tiles. ELU is monotonic, so pooling may go before it."""
    by_mel, by_time = pooling
    n_mels, n_frames = maps.shape[1] // by_mel * by_mel, maps.shape[2] // by_time * by_time
    # Maxima of whole strided planes: four times as fast as `max` along an axis of 2 to 5 elements.
    maps = reduce(np.maximum, (maps[:, i:n_mels:by_mel] for i in range(by_mel)))
    return reduce(np.maximum, (maps[:, :, i:n_frames:by_time] for i in range(by_time)))
