"""What is done with a waveform: peaks, the loudest part, the window that features describe."""

import numpy as np

from modeling.core import audio


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
