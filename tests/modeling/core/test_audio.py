"""What is done with a waveform: peaks, the loudest part, the window that features describe."""

import numpy as np
import pytest

from modeling.core import audio, convnet


def tone(seconds: float, *, amplitude: float = 0.3) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * 440 * np.arange(int(seconds * 16_000)) / 16_000)).astype(np.float32)


def test_peaks_are_a_thousand_bytes_that_reach_255():
    waveform = np.concatenate([np.full(16_000, 0.05), np.full(16_000, -0.2)]).astype(np.float32)

    drawn = audio.peaks(waveform)

    assert len(drawn) == 1000
    assert (drawn[0], drawn[999]) == (64, 255)
    assert len(audio.peaks(waveform[:10])) == 1000
    assert set(audio.peaks(np.zeros(5000, np.float32))) == {0}


def test_the_feature_window_is_the_loudest_thirty_seconds():
    waveform = np.concatenate([tone(40, amplitude=0.1), tone(30), np.zeros(80_000)])
    waveform = waveform.astype(np.float32)

    assert audio.loudest_part(waveform, 30) == (40.0, 70.0)
    window = audio.feature_window(waveform)
    assert len(window) == 480_000
    assert np.array_equal(window, waveform[640_000:1_120_000])
    assert len(audio.feature_window(waveform[:20_000])) == 20_000


@pytest.mark.parametrize(
    ("n_samples", "expected"),
    [
        (16_000, [16_000]),
        (480_000, [480_000]),
        (480_000 + 81_664, [480_000]),
        (480_000 + 81_665, [480_000, 81_665]),
        (3 * 480_000, [480_000] * 3),
    ],
    ids=["shorter than any window", "one", "a short tail is dropped", "a tail long enough", "three"],
)
def test_a_song_is_cut_into_windows_of_thirty_seconds(n_samples, expected):
    waveform = np.arange(n_samples, dtype=np.float32)

    windows = audio.windows(waveform)

    assert [len(window) for window in windows] == expected
    assert all(window[0] == i * 480_000 for i, window in enumerate(windows))
    assert all(np.shares_memory(window, waveform) for window in windows)


def test_the_shortest_window_is_the_shortest_the_convnet_takes_unlooped():
    assert audio.MIN_WINDOW_SAMPLES == convnet.MIN_SAMPLES
