"""Decoding: what loads, that it loads right, and that hostile files end in a sentence people understand."""

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from modeling.core import audio, decoding

SHARED = Path(os.environ.get("ENERGYAPP_SHARED_DATA", Path(__file__).parents[3] / "../shared/data"))
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is absent (set ENERGYAPP_SHARED_DATA)")
MUSIC = sorted(p for p in SHARED.glob("music/*") if p.suffix in {".ogg", ".mp3"})
FORMATS = sorted(p for p in SHARED.glob("formats/*") if p.suffix != ".csv")


def tone(seconds: float, *, rate_hz: int = 22_050, amplitude: float = 0.3) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def wav(path: Path, samples: np.ndarray, rate_hz: int = 22_050) -> Path:
    soundfile.write(path, samples, rate_hz, subtype="FLOAT", format="WAV")
    return path


@pytest.fixture
def mp3(tmp_path):
    path = tmp_path / "tone.mp3"
    noise = 0.1 * np.random.default_rng(0).standard_normal(10 * 22_050)
    soundfile.write(path, tone(10) + noise, 22_050, format="MP3")
    return path


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"just some words\n" * 500, "not an audio file"),
        (b"#EXTM3U\nhttp://127.0.0.1:9/a.mp3\n", "not an audio file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(5000), "not an audio file"),
        (np.random.default_rng(0).bytes(50_000), "not an audio file"),
        (bytes(50_000), "not an audio file"),
        (b"\xff\xfb" + np.random.default_rng(1).bytes(50_000), "damaged"),
        (b"\0\0\0\x20ftypM4A " + np.random.default_rng(1).bytes(50_000), "damaged|no sound"),
    ],
    ids=["zero bytes", "text", "playlist", "png", "random", "zeros", "mp3 head, then noise", "m4a head, then noise"],
)
def test_what_is_no_audio_is_refused_with_a_reason(tmp_path, content, reason):
    path = tmp_path / "upload.mp3"
    path.write_bytes(content)

    with pytest.raises(decoding.AudioError, match=reason):
        decoding.load(path)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "reason"),
    [
        (np.where(np.arange(30_000) == 20_000, np.nan, 0.1), 22_050, "not numbers"),
        (np.where(np.arange(30_000) == 20_000, np.inf, 0.1), 22_050, "not numbers"),
        (np.where(np.arange(30_000) == 20_000, -9.0, 0.1), 22_050, "9 times full scale"),
        (np.full((30_000, 9), 0.1), 22_050, "9 channels; expected 1 to 8"),
        (tone(5, rate_hz=1_000), 1_000, "1000 Hz; expected 8000 to 192000 Hz"),
        (np.full(30_000, 5e-5), 22_050, "silent"),
        (tone(0.5), 22_050, "0.50 s"),
        (np.empty(0), 22_050, "no sound"),
    ],
    ids=["nan", "infinite", "beyond full scale", "9 channels", "1 kHz", "silent", "half a second", "no frames"],
)
def test_audio_outside_the_limits_is_refused_with_a_reason(tmp_path, samples, rate_hz, reason):
    with pytest.raises(decoding.AudioError, match=reason):
        decoding.load(wav(tmp_path / "odd.wav", samples.astype(np.float32), rate_hz))


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(decoding.AudioError, match="folder"):
        decoding.load(tmp_path)
    with pytest.raises(decoding.AudioError, match="No such file"):
        decoding.load(tmp_path / "missing.mp3")


def test_a_file_over_50_mb_is_refused_unread(tmp_path):
    path = tmp_path / "large.wav"
    with path.open("wb") as file:
        file.truncate(decoding.MAX_FILE_BYTES + 1)  # sparse: nothing is written

    with pytest.raises(decoding.AudioError, match="50 MB"):
        decoding.load(path)


def test_twenty_minutes_are_refused(tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, np.tile(tone(1, rate_hz=8_000), 20 * 60), 8_000)

    with pytest.raises(decoding.AudioError, match="longer than 15 minutes"):
        decoding.load(path)


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
    assert float(grown_mib) < 110  # the result has 55; all channels in float32 would have 220
    assert not answer.stderr


def test_a_flac_that_claims_2_to_the_63_frames_gives_what_it_holds(tmp_path):
    path = tmp_path / "claims.flac"
    soundfile.write(path, tone(3), 22_050)
    content = bytearray(path.read_bytes())
    content[21] &= (
        0xF0  # STREAMINFO's 36-bit number of samples: zero means unknown, which libsndfile reports as 2**63 - 1
    )
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert soundfile.info(path).frames == 2**63 - 1

    waveform = decoding.load(path).waveform

    assert audio.duration_s(waveform) == pytest.approx(3)


def test_half_an_mp3_gives_its_first_half(mp3):
    content = mp3.read_bytes()
    mp3.write_bytes(content[: len(content) // 2])

    waveform = decoding.load(mp3).waveform

    assert 4 < audio.duration_s(waveform) < 6


def test_damage_in_the_middle_costs_only_the_middle(tmp_path):
    path = tmp_path / "scratched.flac"
    soundfile.write(path, tone(20) + 0.01 * np.random.default_rng(0).standard_normal(20 * 22_050), 22_050)
    content = bytearray(path.read_bytes())
    content[200_000:200_300] = np.random.default_rng(0).bytes(300)
    path.write_bytes(content)

    waveform = decoding.load(path).waveform

    assert 19 < audio.duration_s(waveform) <= 20


def test_the_name_of_a_file_does_not_decide_how_it_is_read(tmp_path):
    assert len(decoding.load(wav(tmp_path / "sound.raw", tone(2))).waveform) == 32_000


def test_channels_are_averaged(tmp_path):
    stereo = np.stack([tone(2, rate_hz=16_000), -0.5 * tone(2, rate_hz=16_000)], axis=1)

    waveform = decoding.load(wav(tmp_path / "stereo.wav", stereo, 16_000)).waveform

    assert waveform.dtype == np.float32
    np.testing.assert_allclose(waveform, 0.25 * tone(2, rate_hz=16_000), atol=1e-6)


def test_m4a_loads_through_ffmpeg_at_the_right_pitch(tmp_path):
    path = tmp_path / "tone.m4a"
    with av.open(path, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44_100, layout="mono")
        samples = tone(3, rate_hz=44_100)
        for start in range(0, len(samples) - 1024, 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate = 44_100
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    waveform = decoding.load(path).waveform

    strongest = np.argmax(np.abs(np.fft.rfft(waveform))) / audio.duration_s(waveform)
    assert strongest == pytest.approx(440, abs=1)
    assert audio.duration_s(waveform) == pytest.approx(3, abs=0.1)


@needs_shared
@pytest.mark.parametrize(
    "name",
    ["formats/041_waterworks.flac", "formats/041_waterworks.mp3", "formats/041_waterworks.wav", "music/036_speed.ogg"],
)
def test_loading_in_blocks_equals_librosa_in_one_go(name):
    import librosa

    waveform = decoding.load(SHARED / name).waveform

    expected, _ = librosa.load(SHARED / name, sr=audio.SAMPLE_RATE_HZ, res_type="soxr_hq")
    assert waveform.shape == expected.shape
    np.testing.assert_allclose(waveform, expected, atol=1e-4)


@needs_shared
def test_no_track_of_the_shared_data_is_missing():
    assert (len(MUSIC), len(FORMATS)) == (41, 11)


@pytest.mark.parametrize("path", [*MUSIC, *FORMATS], ids=lambda path: path.name)
def test_all_the_music_and_all_the_formats_load(path):
    waveform = decoding.load(path).waveform

    assert 3.9 < audio.duration_s(waveform) < 280
    assert np.isfinite(waveform).all()


def test_an_mp3_of_a_low_sample_rate_is_decoded_silently(mp3):
    program = "import sys; from modeling.core import decoding; print(len(decoding.load(sys.argv[1]).waveform))"

    answer = subprocess.run([sys.executable, "-c", program, mp3], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == str(10 * audio.SAMPLE_RATE_HZ)
    assert not answer.stderr


@needs_shared
def test_formats_of_one_clip_agree():
    """Lossy codecs change details: the same seconds correlate over 0.99, levels within 0.5 dB (LAME scales by 0.95)."""
    flac = decoding.load(SHARED / "formats/041_waterworks.flac").waveform
    for suffix in ("wav", "mp3", "m4a", "opus"):
        other = decoding.load(SHARED / f"formats/041_waterworks.{suffix}").waveform
        a, b = flac[: 7 * 16_000], other[: 7 * 16_000]
        assert np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)) > 0.99, suffix
        assert 20 * np.log10(np.linalg.norm(a) / np.linalg.norm(b)) == pytest.approx(0, abs=0.5), suffix
