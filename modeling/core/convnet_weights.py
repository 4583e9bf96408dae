"""Getting the convnet's weights: fetched or from a file, checked by sha256, prepared once, loaded by each process.

They are not ours to ship (their repository states no licence). What is written is one .npz file, which is all that
inference needs: batch normalisation is folded into the convolutions.
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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WEIGHTS_SHA256 = "b5042bd44de1fdd9d757b764d9246e6934f47c8bdc5c15bf13566495f3439d48"
WEIGHTS_URL = (
    "https://raw.githubusercontent.com/keunwoochoi/transfer_learning_music/"
    "e1f83c389ff32ce48551f916414ae869cbe7f6e6/keras2_model/model_best.hdf5"
)
MAX_WEIGHTS_BYTES = 4 * 2**20
"""The file has 1.5 MB: more than this is something else."""

N_LAYERS, N_MAPS = 5, 32
_PREPARED_NAME = "convnet.npz"


class ConvnetUnavailable(Exception):
    """The weights are not here, or cannot be had. The message says what to do."""


@dataclass(frozen=True)
class Weights:
    """The net's numbers, ready for inference."""

    mel: NDArray[np.float32]
    """Power spectrum to mel bands, shape (257, 96): 12 kHz bands applied to 16 kHz audio, as the net was trained."""
    kernels: tuple[NDArray[np.float32], ...]
    """One a layer, shape (32 maps, n_channels, 3 mel offsets, 3 time offsets); layer 1 has one channel."""
    biases: tuple[NDArray[np.float32], ...]
    """One a layer, shape (32,)."""


def models_folder() -> Path:
    """Where weights are installed: the environment variable ENERGYAPP_MODELS, else var/models here."""
    return Path(os.environ.get("ENERGYAPP_MODELS") or "var/models")


def is_installed(folder: Path | None = None) -> bool:
    """Whether `load` finds the weights in the folder."""
    return ((folder or models_folder()) / _PREPARED_NAME).is_file()


def load(folder: Path | None = None) -> Weights:
    """The installed weights.

    Raises
    ------
    ConvnetUnavailable
        If they are not installed, or the file is damaged.
    """
    path = (folder or models_folder()) / _PREPARED_NAME
    try:
        with np.load(path, allow_pickle=False) as arrays:
            layers = range(1, N_LAYERS + 1)
            return Weights(
                mel=arrays["mel"],
                kernels=tuple(_kernel(arrays[f"kernel_{i}"]) for i in layers),
                biases=tuple(arrays[f"bias_{i}"].reshape(N_MAPS) for i in layers),
            )
    except FileNotFoundError as error:
        raise ConvnetUnavailable(
            f"The convnet's weights are not installed in {path.parent}: run install_convnet"
        ) from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ConvnetUnavailable(f"{path} is damaged ({error}): run install_convnet again") from error


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
        for i in range(1, N_LAYERS + 1):
            convolution = weights[f"conv2d_{i}/conv2d_{i}"]
            norm_group = weights[f"batch_normalization_{i}/batch_normalization_{i}"]
            norm = {name.removesuffix(":0"): value[()].astype(np.float64) for name, value in norm_group.items()}
            scale = norm["gamma"] / np.sqrt(norm["moving_variance"] + 1e-3)
            kernel = convolution["kernel:0"][()] * scale  # (mel, time, channels, maps)
            bias = (convolution["bias:0"][()] - norm["moving_mean"]) * scale + norm["beta"]
            arrays[f"kernel_{i}"] = kernel.transpose(3, 0, 1, 2).reshape(N_MAPS, -1)
            arrays[f"bias_{i}"] = bias[:, None]
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}


def _kernel(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """The stored (32, 9 * n_channels) matrix, columns ordered (mel offset, time offset, channel), as a kernel."""
    return np.ascontiguousarray(matrix.reshape(N_MAPS, 3, 3, -1).transpose(0, 3, 1, 2))
