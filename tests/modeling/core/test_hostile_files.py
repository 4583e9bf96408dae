"""What strangers may send: each file has its answer, within bounded memory and time, and nothing ever crashes."""

import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from modeling.core import decoding
from tests.modeling.core import hostile_files as hostile
from tests.modeling.core.contained import load_contained
from tests.modeling.core.encoding import WRITERS, music, tone, write
from tests.modeling.core.hostile_files import sound

# Bounds of safety, not timings: without the decoder's own a trap takes gigabytes, or minutes.
MAX_PEAK_MB, MAX_CPU_S = 400, 10

NO_AUDIO = "refused: This is not an audio file that can be read; expected MP3"
NO_SOUND = "refused: The file holds no sound"
NO_FILE = "refused: This is a folder, a pipe or a device"
DAMAGED = r"refused: The \w+ file is damaged or incomplete"
LOST = r"refused: ([\d,]+) of \1 packets could not be decoded"
TOO_LONG = "refused: The track is longer than 15 minutes"
TWO_SECONDS = r"2\.0 s$"

FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    # ---- What is no sound
    "nothing.mp3": (lambda path: path.touch(), r"refused: The file is empty \(0 bytes\)"),
    "words.mp3": (lambda path: path.write_text("just some words\n" * 500), NO_AUDIO),
    "words in UTF-16.mp3": (lambda path: path.write_text("words\n" * 500, encoding="utf-16"), NO_AUDIO),
    "page.mp3": (lambda path: path.write_text("<!DOCTYPE html><title>Not found</title>"), NO_AUDIO),
    "playlist.mp3": (lambda path: path.write_text("#EXTM3U\nhttp://127.0.0.1:9/a.mp3\n"), NO_AUDIO),
    "stream.mp3": (lambda path: path.write_text("#EXTM3U\n#EXTINF:9,\n/etc/hostname\n#EXT-X-ENDLIST\n"), NO_AUDIO),
    "picture.mp3": (lambda path: path.write_bytes(hostile.png(64)), NO_AUDIO),
    "noise.mp3": (lambda path: path.write_bytes(noise(50_000)), NO_AUDIO),
    "zeros.mp3": (lambda path: path.write_bytes(bytes(50_000)), NO_AUDIO),
    "an MP3's first bytes, then noise": (lambda path: path.write_bytes(b"\xff\xfb" + noise(50_000)), "refused: "),
    "an M4A's first bytes, then noise": (lambda path: path.write_bytes(b"\0\0\0 ftypM4A " + noise(50_000)), DAMAGED),
    "silent film.mp4": (lambda path: hostile.film(path, format="mp4", with_sound=False), NO_SOUND),
    "film.mp4": (lambda path: hostile.film(path, format="mp4", with_sound=True), TWO_SECONDS),
    "film.mkv": (lambda path: hostile.film(path, format="matroska", with_sound=True), TWO_SECONDS),
    # ---- What is no file
    "folder": (Path.mkdir, NO_FILE),
    "pipe": (os.mkfifo, NO_FILE),
    "device": (lambda path: path.symlink_to("/dev/zero"), NO_FILE),
    "link to nothing": (lambda path: path.symlink_to("nowhere"), "refused: The file cannot be opened: No such file"),
    "link": (lambda path: path.symlink_to(write(path.with_name("linked"), tone(2))), TWO_SECONDS),
    # ---- What cannot be used
    "silence.flac": (lambda path: soundfile.write(path, np.zeros(48_000), 16_000), "refused: The track is silent"),
    "two seconds.wav": (lambda path: write(path, tone(2)), TWO_SECONDS),
    "half a second.wav": (lambda path: write(path, tone(0.5)), "refused: Only 0.50 s"),
    "not numbers.wav": (lambda path: write(path, tone(2) * np.float32(np.nan)), "refused: .* not numbers"),
    "huge.wav": (lambda path: write(path, tone(2) * np.float32(1e30)), "refused: Samples reach 3e.29 times full scale"),
    # ---- Headers that lie
    "no channels.wav": (lambda path: path.write_bytes(hostile.wav(noise(90_000), n_channels=0)), NO_SOUND),
    "255 channels.wav": (lambda path: path.write_bytes(hostile.wav(noise(90_000), n_channels=255)), ".* 255 channels"),
    "255 channels.opus": (lambda path: path.write_bytes(hostile.opus(bytes(9), 100, n_channels=255)), NO_SOUND),
    "1 Hz.wav": (lambda path: path.write_bytes(hostile.wav(noise(90_000), rate_hz=1)), ".* sample rate is 1 Hz"),
    "4 GHz.wav": (lambda path: path.write_bytes(hostile.wav(noise(90_000), rate_hz=2**32 - 1)), DAMAGED),
    "4 billion frames.aiff": (lambda path: path.write_bytes(with_bytes(sound("aiff"), 22, b"\xff" * 4)), DAMAGED),
    "4 billion packets.m4a": (
        lambda path: path.write_bytes(hostile.mp4(n_packets=2**32 - 1, packet_bytes=1, offsets=1, data=bytes(99))),
        NO_SOUND,
    ),
    "a million packets of a byte.m4a": (
        lambda path: path.write_bytes(
            hostile.mp4(n_packets=10**6, packet_bytes=[1] * 10**6, offsets=1, data=bytes(10**6))
        ),
        LOST,
    ),
    "a million empty packets.m4a": (
        lambda path: path.write_bytes(hostile.mp4(n_packets=10**6, packet_bytes=[0] * 10**6, offsets=1, data=b"")),
        "refused: The file is cut into more than 500,000 packets",
    ),
    "half a million empty frames.aac": (
        lambda path: path.write_bytes(bytes.fromhex("fff1508000fffc") * 500_000),
        LOST,
    ),
    # ---- Little that becomes much
    "three hours.mp3": (lambda path: path.write_bytes((bytes.fromhex("ffe318c4") + bytes(68)) * 150_000), TOO_LONG),
    "twenty minutes.opus": (lambda path: path.write_bytes(hostile.opus(b"\xfc", 60_000)), TOO_LONG),
    "an hour of one packet.m4a": (
        lambda path: path.write_bytes(
            hostile.mp4(
                n_packets=170_000,
                packet_bytes=len(hostile.aac_packet()),
                offsets=170_000,
                data=hostile.aac_packet(),
            )
        ),
        TOO_LONG,
    ),
    "cover of 64 megapixels.mp3": (
        lambda path: path.write_bytes(hostile.id3(b"APIC", b"\0image/png\0\3\0" + hostile.png(8_000)) + sound("mp3")),
        TWO_SECONDS,
    ),
    "tag of 40 MB.mp3": (
        lambda path: path.write_bytes(hostile.id3(b"APIC", b"\0image/png\0\3\0" + bytes(40 * 10**6)) + sound("mp3")),
        TWO_SECONDS,
    ),
    "tag that is no text.mp3": (
        lambda path: path.write_bytes(hostile.id3(b"TIT2", b"\3\xff\xfe\xfa\xf0") + sound("mp3")),
        TWO_SECONDS,
    ),
    "a million boxes.m4a": (
        lambda path: path.write_bytes(sound("m4a")[:24] + b"\0\x7a\x12\0moov" * 10**6),
        DAMAGED,
    ),
    "nothing but sync words.mp3": (lambda path: path.write_bytes(b"\xff\xfb" * 5 * 10**6), NO_SOUND),
    "pages in pages.ogg": (
        lambda path: path.write_bytes(sound("vorbis")[:20_000] + b"OggS\0\xff\xff\xff\xff" * 200_000),
        r"refused: Only|\d\.\d s\. ",
    ),
}


def noise(n_bytes: int) -> bytes:
    return np.random.default_rng(0).bytes(n_bytes)


def with_bytes(content: bytes, position: int, replaced: bytes) -> bytes:
    return content[:position] + replaced + content[position + len(replaced) :]


def test_every_hostile_file_has_its_answer_within_bounds(tmp_path):
    for name, (build, _) in FILES.items():
        build(tmp_path / name)

    outcomes = dict(zip(FILES, load_contained([tmp_path / name for name in FILES]), strict=True))

    for name, (_, expected) in FILES.items():
        outcome = outcomes[name]
        assert outcome.answer is not None, (name, outcome)  # it died
        assert re.match(expected, outcome.answer), (name, outcome)
        assert outcome.peak_mb < MAX_PEAK_MB, (name, outcome)
        assert outcome.cpu_s < MAX_CPU_S, (name, outcome)


@pytest.mark.parametrize("kind", WRITERS)
def test_whatever_is_done_to_a_file_it_loads_or_is_refused(tmp_path, kind):
    path = tmp_path / "changed"
    WRITERS[kind](path, music(1.5, rate_hz=24_000), 24_000)
    whole = path.read_bytes()
    answers = []
    for seed in range(200):
        path.write_bytes(changed(whole, random.Random(seed)))
        try:
            recording = decoding.load(path)
        except decoding.AudioError as refused:
            answers.append(str(refused))
        else:
            assert recording.waveform.dtype == np.float32
            assert np.isfinite(recording.waveform).all()
            answers.append(recording.damage)

    assert len(set(answers)) > 3  # the changes do reach the decoder
    assert max(map(len, answers)) < 300  # what a track keeps of it


def changed(content: bytes, chance: random.Random) -> bytes:
    """Bits, bytes, numbers and stretches replaced, removed, repeated or put in; half of it in the header."""
    new = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 4, 8])):
        start = chance.randrange(min(len(new), 400) if chance.random() < 0.5 else len(new))
        n = chance.randrange(1, 500)
        match chance.randrange(7):
            case 0:
                new[start] ^= 1 << chance.randrange(8)
            case 1:
                new[start : start + 4] = chance.choice([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0"])
            case 2:
                new[start : start + n] = chance.randbytes(n)
            case 3:
                new[start : start + n] = bytes(n)
            case 4:
                del new[start : start + n]
            case 5:
                new[start:start] = new[-n:]
            case 6:
                del new[max(start, len(new) // 4) :]
    return bytes(new)
