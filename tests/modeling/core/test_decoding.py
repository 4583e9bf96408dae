"""Decoding: that the sound is right, within limits and within memory, and silent about it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modeling.core import audio, decoding
from tests.modeling.core.encoding import WRITERS, music, tone, write

SHARED = Path(os.environ.get("ENERGYAPP_SHARED_DATA", Path(__file__).parents[3] / "../shared/data"))
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is absent (set ENERGYAPP_SHARED_DATA)")
MUSIC = sorted(p for p in SHARED.glob("music/*") if p.suffix in {".ogg", ".mp3"})
FORMATS = sorted(p for p in SHARED.glob("formats/*") if p.suffix != ".csv")


@pytest.mark.parametrize(
    ("samples", "rate_hz", "reason"),
    [
        (np.where(np.arange(30_000) == 20_000, np.nan, 0.1), 22_050, "not numbers"),
        (np.where(np.arange(30_000) == 20_000, np.inf, 0.1), 22_050, "not numbers"),
        (np.stack([np.full(30_000, 3e38), np.full(30_000, 3e38)], axis=1), 22_050, "not numbers"),
        (np.where(np.arange(30_000) == 20_000, -9.0, 0.1), 22_050, "9 times full scale"),
        (np.full((30_000, 9), 0.1), 22_050, "9 channels; expected 1 to 8"),
        (tone(5, rate_hz=1_000), 1_000, "1000 Hz; expected 8000 to 192000 Hz"),
        (tone(1, rate_hz=200_000), 200_000, "200000 Hz; expected 8000 to 192000 Hz"),
        (np.full(30_000, 5e-5), 22_050, "silent"),
        (tone(0.5), 22_050, "0.50 s"),
        (np.empty(0), 22_050, "no sound"),
    ],
    ids=[
        *("nan", "infinite", "infinite when mixed", "beyond full scale", "9 channels", "1 kHz", "200 kHz", "silent"),
        *("half a second", "no frames"),
    ],
)
def test_audio_outside_the_limits_is_refused_with_a_reason(tmp_path, samples, rate_hz, reason):
    with pytest.raises(decoding.AudioError, match=reason):
        decoding.load(write(tmp_path / "odd.wav", samples.astype(np.float32), rate_hz))


def test_a_file_over_50_mb_is_refused_unread(tmp_path):
    path = tmp_path / "large.wav"
    with path.open("wb") as file:
        file.truncate(decoding.MAX_FILE_BYTES + 1)  # sparse: nothing is written

    with pytest.raises(decoding.AudioError, match="50 MB"):
        decoding.load(path)


def test_fifteen_minutes_are_taken_and_a_second_more_is_not(tmp_path):
    second = tone(1, rate_hz=8_000)
    soundfile.write(tmp_path / "long.flac", np.tile(second, 15 * 60), 8_000)
    soundfile.write(tmp_path / "longer.flac", np.tile(second, 15 * 60 + 1), 8_000)

    assert len(decoding.load(tmp_path / "long.flac").waveform) == 15 * 60 * audio.SAMPLE_RATE_HZ
    with pytest.raises(decoding.AudioError, match="longer than 15 minutes"):
        decoding.load(tmp_path / "longer.flac")


def test_fifteen_minutes_of_eight_channels_stay_within_bounded_memory(tmp_path):
    path = tmp_path / "wide.flac"
    with soundfile.SoundFile(path, "w", 8_000, 8, subtype="PCM_16") as file:
        block = np.tile(tone(5, rate_hz=8_000)[:, None], 8)
        for _ in range(15 * 60 // 5):
            file.write(block)
    program = (
        "import resource, sys; from modeling.core import decoding\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "waveform = decoding.load(sys.argv[1]).waveform\n"
        "print(len(waveform), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)"
    )

    answer = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)

    n_samples, grown_mib = answer.stdout.split()
    assert int(n_samples) == 15 * 60 * audio.SAMPLE_RATE_HZ
    # The result has 55; all channels in float32 would have 220.
    assert float(grown_mib) < 90 + path.stat().st_size / 2**20
    assert not answer.stderr


def test_the_name_of_a_file_does_not_decide_how_it_is_read(tmp_path):
    assert len(decoding.load(write(tmp_path / "sound.raw", tone(2))).waveform) == 32_000


@pytest.mark.parametrize("kind", ["mp3", "m4a", "vorbis"])
def test_decoding_writes_nothing_to_the_log(tmp_path, kind):
    """libsndfile's decoder complains about sound MP3 files of low sample rates, and about damaged ones."""
    path = tmp_path / "upload"
    WRITERS[kind](path, music(3, rate_hz=22_050), 22_050)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 300] = np.random.default_rng(0).bytes(300)
    (tmp_path / "damaged").write_bytes(content)
    program = "import sys; from modeling.core import decoding; [decoding.load(path) for path in sys.argv[1:]]"

    answer = subprocess.run(
        [sys.executable, "-c", program, path, tmp_path / "damaged"], capture_output=True, text=True, check=True
    )

    assert (answer.stdout, answer.stderr) == ("", "")


# ---- Real files


def test_no_track_of_the_shared_data_is_missing(shared_data):
    assert (len(MUSIC), len(FORMATS)) == (41, 11)


@pytest.mark.parametrize("path", [*MUSIC, *FORMATS], ids=lambda path: path.name)
def test_all_the_music_and_all_the_formats_load_and_are_whole(path):
    recording = decoding.load(path)

    assert recording.damage == ""
    assert 3.9 < audio.duration_s(recording.waveform) < 280
    assert np.isfinite(recording.waveform).all()


@needs_shared
@pytest.mark.filterwarnings("ignore::DeprecationWarning:audioread")
@pytest.mark.parametrize(
    "name",
    [
        *("formats/041_waterworks.flac", "formats/041_waterworks.mp3", "formats/041_waterworks.wav"),
        *("formats/060_Apple_Cider.opus", "music/036_speed.ogg", "music/011_For_Originz.ogg", "music/044_Cue.mp3"),
    ],
)
def test_loading_in_blocks_equals_librosa_in_one_go(name):
    import librosa

    waveform = decoding.load(SHARED / name).waveform

    expected, _ = librosa.load(SHARED / name, sr=audio.SAMPLE_RATE_HZ, res_type="soxr_hq")
    assert waveform.shape == expected.shape
    if name.endswith("opus"):
        # libsndfile's decoder of Opus is another program, and the standard leaves programs some freedom.
        difference_db = 20 * np.log10(np.std(waveform - expected) / np.std(expected))
        assert difference_db < -50
    else:
        np.testing.assert_allclose(waveform, expected, atol=1e-5)
