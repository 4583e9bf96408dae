"""Files that are cut off or scratched: what is there is used, and what is missing is said with figures."""

import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modeling.core import decoding
from modeling.core.audio import duration_s
from tests.modeling.core.encoding import WRITERS, music, tone

SECONDS = 10
ENDS_EARLY = r"The file ends after (\d\.\d) s; its header promises 10\.\d s"
NO_END = r"The file has no mark at its end, after (\d\.\d) s: it was probably cut off"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Callable[[str], bytes]:
    folder = tmp_path_factory.mktemp("whole")

    def content(kind: str) -> bytes:
        path = folder / kind
        if not path.exists():
            WRITERS[kind](path, music(SECONDS), 48_000)
        return path.read_bytes()

    return content


def loaded(path: Path, content: bytes) -> decoding.Recording:
    path.write_bytes(content)
    return decoding.load(path)


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        *((kind, ENDS_EARLY) for kind in ("wav 16 bit", "wav float", "aiff", "caf", "flac 16 bit", "mp3")),
        *((kind, ENDS_EARLY) for kind in ("m4a, index first",)),
        *((kind, NO_END) for kind in ("vorbis", "opus")),
    ],
)
def test_half_a_file_gives_its_half_and_says_where_it_ends(tmp_path, whole, kind, damage):
    content = whole(kind)

    recording = loaded(tmp_path / "half", content[: len(content) // 2])

    found_s = duration_s(recording.waveform)
    assert 3.5 < found_s < 6.5
    assert float(re.search(damage, recording.damage)[1]) == pytest.approx(found_s, abs=0.15)


def test_half_an_m4a_with_its_index_at_the_end_cannot_be_read(tmp_path, whole):
    content = whole("m4a")

    with pytest.raises(decoding.AudioError, match="MP4 file is damaged or incomplete"):
        loaded(tmp_path / "half.m4a", content[: len(content) // 2])


def test_half_of_raw_aac_is_known_by_its_last_packet(tmp_path, whole):
    content = whole("aac")

    recording = loaded(tmp_path / "half.aac", content[: len(content) // 2])

    assert re.fullmatch(r"1 of \d+ packets could not be decoded \(about 0\.02 s\)", recording.damage)


@pytest.mark.parametrize("kind", ["mp3", "aac", "m4a", "m4a, lossless", "flac 16 bit", "flac 24 bit", "vorbis", "opus"])
def test_a_scratch_costs_what_it_hit_and_is_said(tmp_path, whole, kind):
    content = bytearray(whole(kind))
    scratch = slice(len(content) // 2, len(content) // 2 + 2_000)
    content[scratch] = np.random.default_rng(0).bytes(2_000)

    recording = loaded(tmp_path / "scratched", bytes(content))

    lost_s = SECONDS - duration_s(recording.waveform)
    said_s = float(re.search(r"[Aa]bout (\d+\.\d+) s", recording.damage)[1])
    assert 0 < said_s < 3.1  # a page of Opus or Vorbis holds a second and more
    assert said_s == pytest.approx(lost_s, abs=0.2)


def test_packets_that_could_not_be_decoded_are_counted(tmp_path, whole):
    content = bytearray(whole("m4a, index first"))
    for place in (0.3, 0.5, 0.7):
        start = int(place * len(content))
        content[start : start + 1_500] = bytes(1_500)

    recording = loaded(tmp_path / "scratched.m4a", bytes(content))

    n_lost, lost_s = re.fullmatch(
        r"(\d+) of 470 packets could not be decoded \(about (.*) s\)", recording.damage
    ).groups()
    assert int(n_lost) >= 3
    assert float(lost_s) == pytest.approx(int(n_lost) * 1_024 / 48_000, abs=0.1)


def test_a_file_that_is_mostly_noise_is_refused(tmp_path, whole):
    content = whole("m4a, index first")
    noise = np.random.default_rng(0).bytes(len(content) * 4 // 5)

    with pytest.raises(decoding.AudioError, match="packets could not be decoded: the file is damaged, or no audio"):
        loaded(tmp_path / "noise.m4a", content[: -len(noise)] + noise)


def test_what_was_appended_in_another_sample_rate_is_left_out_and_said(tmp_path, whole):
    WRITERS["mp3"](tmp_path / "other", music(2, rate_hz=22_050), 22_050)

    recording = loaded(tmp_path / "two.mp3", whole("mp3") + (tmp_path / "other").read_bytes())

    assert duration_s(recording.waveform) == pytest.approx(SECONDS, abs=0.1)
    assert re.match(r"\d\d of 49\d packets could not be decoded", recording.damage)


def test_scraps_of_another_sound_at_the_beginning_do_not_decide_what_the_file_is(tmp_path, whole):
    WRITERS["mp3"](tmp_path / "other", music(2, rate_hz=22_050), 22_050)

    recording = loaded(tmp_path / "two.mp3", (tmp_path / "other").read_bytes()[:1_000] + whole("mp3"))

    assert duration_s(recording.waveform) == pytest.approx(SECONDS, abs=0.1)


# ---- What is no damage


@pytest.mark.parametrize("kind", ["mp3", "vorbis", "opus", "flac 16 bit", "wav 16 bit", "m4a", "aac"])
def test_an_id3_tag_at_the_end_is_no_damage(tmp_path, whole, kind):
    recording = loaded(tmp_path / "tagged", whole(kind) + b"TAG" + b"Title".ljust(125))

    assert recording.damage == ""
    assert duration_s(recording.waveform) == pytest.approx(SECONDS, abs=0.05)


def test_an_ape_tag_and_lyrics_at_the_end_of_an_mp3_are_no_damage(tmp_path, whole):
    lyrics = b"LYRICSBEGININD0000210LYR00100" + b"la " * 33 + b"!" + b"000129LYRICS200"
    value = struct.pack("<II", 8, 0) + b"REPLAYGAIN_TRACK_GAIN\0-7.94 dB"
    ends = (
        b"APETAGEX" + struct.pack("<IIII", 2000, len(value) + 32, 1, flags) + bytes(8) for flags in (0xA << 28, 8 << 28)
    )
    ape = value.join(ends)

    assert loaded(tmp_path / "lyrics.mp3", whole("mp3") + lyrics).damage == ""
    assert loaded(tmp_path / "ape.mp3", whole("mp3") + ape).damage == ""


@pytest.mark.parametrize("claim", [0, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_wav_that_was_streamed_does_not_know_its_size(tmp_path, whole, claim):
    content = bytearray(whole("wav 16 bit"))
    content[40:44] = struct.pack("<I", claim)

    recording = loaded(tmp_path / "streamed.wav", bytes(content))

    assert (duration_s(recording.waveform), recording.damage) == (SECONDS, "")


@pytest.mark.parametrize("n_frames", [0, 2**36 - 1])
def test_a_flac_header_that_says_nothing_or_nonsense_is_not_believed(tmp_path, n_frames):
    """Zero means unknown, which libsndfile reports as 2**63 - 1; the largest number is 50 days."""
    path = tmp_path / "claims.flac"
    soundfile.write(path, tone(3, rate_hz=16_000), 16_000)
    content = bytearray(path.read_bytes())
    content[21] = content[21] & 0xF0 | n_frames >> 32
    content[22:26] = struct.pack(">I", n_frames & 0xFFFF_FFFF)

    recording = loaded(path, bytes(content))

    assert (duration_s(recording.waveform), recording.damage) == (3, "")
