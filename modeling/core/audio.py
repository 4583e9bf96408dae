"""What is done with a mono 16 kHz waveform: the facts a page shows about it, and the part that features describe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
"""What every feature is computed at: the convnet was trained on it."""

FEATURE_WINDOW_S = 30
"""Length of the previews that people label and that the convnet was trained on."""

MIN_WINDOW_SAMPLES = 81_665
"""The convnet's receptive field (`convnet.MIN_SAMPLES`), 5.1 s."""


def duration_s(waveform: NDArray[np.float32]) -> float:
    """Duration of a 16 kHz waveform, in seconds.

    >>> duration_s(np.zeros(24_000, np.float32))
    1.5
    """
    return len(waveform) / SAMPLE_RATE_HZ


def peaks(waveform: NDArray[np.float32], n: int = 1000) -> bytes:
    """The waveform as a page draws it: n equal stretches of time, each the largest |sample| in it, 0..255.

    255 is the track's own peak, so loud and quiet tracks fill the same height.

    >>> list(peaks(np.array([0, 0.25, -0.5, 0], np.float32), n=2))
    [128, 255]
    """
    edges = np.arange(n) * len(waveform) // n
    highest = np.maximum.reduceat(np.abs(waveform), edges)
    # `or 1`: a silent waveform is drawn flat.
    return np.rint(highest * (255 / (float(highest.max()) or 1))).astype(np.uint8).tobytes()


def loudest_part(waveform: NDArray[np.float32], seconds: float = 25) -> tuple[float, float]:
    """Where the stretch of that many seconds with the highest rms lies: (start_s, end_s), to a tenth of a second.

    A shorter waveform is its own loudest part. Among equals the first is taken.

    >>> loudest_part(np.repeat([0.1, 0.9, 0.1], 16_000).astype(np.float32), seconds=1)
    (1.0, 2.0)
    """
    step = SAMPLE_RATE_HZ // 10
    n_steps, width = len(waveform) // step, round(seconds * 10)
    if n_steps <= width:
        return 0.0, duration_s(waveform)
    steps = waveform[: n_steps * step].reshape(n_steps, step)
    # float64 sums: differences of large float32 totals would move the maximum.
    energy = np.concatenate([[0.0], np.cumsum(np.einsum("ij,ij->i", steps, steps), dtype=np.float64)])
    start = int(np.argmax(energy[width:] - energy[:-width]))
    return start / 10, (start + width) / 10


def feature_window(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """The loudest 30 s (a view), which every feature set describes; all of a shorter waveform.

    Annotators judge a track by its most energetic segment; the loudest one is the cheap stand-in for it. 480,000
    samples, however long the track, so features of a preview and of a whole song are comparable.
    """
    start_s, _ = loudest_part(waveform, FEATURE_WINDOW_S)
    start = round(start_s * SAMPLE_RATE_HZ)
    return waveform[start : start + FEATURE_WINDOW_S * SAMPLE_RATE_HZ]


def windows(waveform: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The whole track in consecutive windows (views) of 30 s, 480,000 samples, so that its curve can be shown.

    A model hears 30 s at a time, and a song has more than one. The last window holds what is left, unless that is
    under MIN_WINDOW_SAMPLES: it would have to be looped, and judged by a few bars. A whole track that short is its
    own window. Window i starts at i * FEATURE_WINDOW_S seconds.

    >>> [len(window) for window in windows(np.zeros(1_000_000, np.float32))]  # 40,000 samples are dropped
    [480000, 480000]
    """
    length = FEATURE_WINDOW_S * SAMPLE_RATE_HZ
    starts = range(0, max(len(waveform) - MIN_WINDOW_SAMPLES, 0) + 1, length)
    return [waveform[start : start + length] for start in starts]


def lengthened(waveform: NDArray[np.float32], n_samples: int) -> NDArray[np.float32]:
    """The waveform, looped until it has at least n_samples; unchanged if it is long enough.

    Looping keeps the timbre and the level of a short jingle, where zeros would be heard as silence.

    >>> lengthened(np.array([1, 2, 3], np.float32), 5)
    array([1., 2., 3., 1., 2.], dtype=float32)
    """
    if not len(waveform):
        raise ValueError("An empty waveform cannot be lengthened")
    return waveform if len(waveform) >= n_samples else np.resize(waveform, n_samples)
