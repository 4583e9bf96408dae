"""Copies for browsers: which files need one, and that it sounds like the file, as long as the file, and all or nothing."""

import resource

import numpy as np
import pytest
import soundfile

from modeling.core import decoding, playback
from tests.modeling.core.encoding import WRITERS, music

NEED_A_COPY = {"wav double", "wav rf64", "aiff", "aifc", "caf", "m4a, lossless"}


@pytest.mark.parametrize("kind", WRITERS)
def test_files_that_browsers_cannot_play_need_a_copy_and_no_others_do(tmp_path, kind):
    WRITERS[kind](tmp_path / "sound", music(2), 48_000)

    assert playback.is_playable(tmp_path / "sound") == (kind not in NEED_A_COPY)


@pytest.mark.parametrize("kind", sorted(NEED_A_COPY))
def test_the_copy_is_the_sound_itself(tmp_path, kind):
    samples = music(2)
    WRITERS[kind](tmp_path / "sound", samples, 48_000)

    playback.write_copy(tmp_path / "sound", tmp_path / "ab" / "copy.flac")

    copy, rate_hz = soundfile.read(tmp_path / "ab" / "copy.flac")
    assert (rate_hz, copy.shape) == (48_000, samples.shape)
    assert np.abs(copy - samples).max() < 2 / 2**15
    assert playback.is_playable(tmp_path / "ab" / "copy.flac")
    assert [path.name for path in (tmp_path / "ab").iterdir()] == ["copy.flac"]


@pytest.mark.parametrize(("rate_hz", "n_channels"), [(8_000, 1), (96_000, 2), (44_100, 3), (44_100, 6), (22_050, 8)])
def test_many_channels_become_two_and_high_rates_48_khz(tmp_path, rate_hz, n_channels):
    WRITERS["aiff"](tmp_path / "sound", music(2, rate_hz=rate_hz, n_channels=n_channels), rate_hz)

    playback.write_copy(tmp_path / "sound", tmp_path / "copy.flac")

    copy = soundfile.info(tmp_path / "copy.flac")
    assert (copy.samplerate, copy.channels) == (min(rate_hz, 48_000), min(n_channels, 2))
    assert (copy.subtype, copy.duration) == ("PCM_16", pytest.approx(2, abs=0.001))


def test_the_copy_of_a_damaged_file_has_the_clock_of_the_waveform(tmp_path):
    WRITERS["mp3"](tmp_path / "sound", music(8), 48_000)
    content = (tmp_path / "sound").read_bytes()
    (tmp_path / "sound").write_bytes(content[: len(content) // 2])
    recording = decoding.load(tmp_path / "sound")
    assert "promises" in recording.damage

    playback.write_copy(tmp_path / "sound", tmp_path / "copy.flac")

    difference = decoding.load(tmp_path / "copy.flac").waveform - recording.waveform
    assert np.abs(difference).max() < 1e-3


def test_a_copy_that_cannot_be_written_leaves_nothing(tmp_path):
    WRITERS["aiff"](tmp_path / "sound", music(2), 48_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))  # like a full disk
    try:
        with pytest.raises(OSError, match="too large"):
            playback.write_copy(tmp_path / "sound", tmp_path / "ab" / "copy.flac")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert not list((tmp_path / "ab").iterdir())
