"""What a file says about itself before any of it is decoded: its format, and how long it should be.

None of it is believed for more than a sentence about what is missing: a header that lies makes that sentence wrong,
never the decoding.
"""

from __future__ import annotations

import re
import struct

import av

EXPECTED = "expected MP3, Ogg Vorbis, Opus, FLAC, WAV, AIFF, CAF, M4A or AAC"

_BEGINNINGS = {
    # FFmpeg's name of the format, and how its files begin.
    "ogg": rb"OggS",
    "flac": rb"fLaC",
    "wav": rb"(?:RIFF|RF64)....WAVE",
    "w64": rb"riff\x2e\x91\xcf\x11",
    "aiff": rb"FORM....AIF[FC]",
    "caf": rb"caff",
    "au": rb"\.snd",
    "mp4": rb"....ftyp",
    "matroska": rb"\x1a\x45\xdf\xa3",
    # Eleven set bits, MPEG-1, -2 or 2.5, layer II or III. UTF-16 text begins with FF FE.
    "mp3": rb"\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd]",
    # Twelve set bits, MPEG-4 or -2, and zeros where MP3 has the layer.
    "aac": rb"\xff[\xf0\xf1\xf8\xf9]",
}
_CHUNKS = {
    # Where the first chunk lies, how its name and size are written, and to how many bytes sizes are rounded up.
    "wav": (12, "<4sI", 2),
    "caf": (8, ">4sQ", 1),
}
_MAX_CHUNKS = 1_000
_STREAMED_BYTES = 0x7FFF_0000
"""Who writes a file without seeking back leaves a size of zero, or one from here on, which promises nothing."""
_MAX_PROMISE_S = 24 * 3600


def container_format(content: bytes) -> str | None:
    """FFmpeg's name of the format that the first bytes announce, behind the ID3 tag if there is one.

    >>> container_format(b"OggS........")
    'ogg'
    >>> container_format(b"#EXTM3U\\nhttp") is None
    True
    """
    start = _id3_bytes(content)
    head = content[start : start + 12]
    found = (name for name, beginning in _BEGINNINGS.items() if re.match(beginning, head, re.DOTALL))
    # Some tags say that they are shorter than they are: FFmpeg looks on.
    return next(found, "mp3" if start else None)


def promised_s(content: bytes, container: av.container.InputContainer, *, decoded_s: float) -> float | None:
    """How long the sound should be according to the header; None where it does not say, or something absurd."""
    stream = container.streams.audio[0]
    seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    match container.format.name:
        case "mp3":
            # Without a count of frames FFmpeg estimates the duration from the bit rate.
            seconds = min(seconds, _mp3_frames(content) * (1152 if stream.rate >= 32_000 else 576) / stream.rate)
        case "aac":
            seconds = 0.0  # an estimate too
        case "wav" | "caf" as name:
            seconds = decoded_s * _claimed_share(content, name)  # FFmpeg cuts some down to the size of the file
    return seconds if 0 < seconds <= _MAX_PROMISE_S else None


def lacks_end(content: bytes) -> bool:
    """Whether an Ogg file was cut off: its last page is not marked as the last, or not all there."""
    if not content.startswith(b"OggS"):
        return False
    start = content.rfind(b"OggS")
    head = content[start : start + 27]
    if len(head) < 27:
        return True
    segments = content[start + 27 : start + 27 + head[26]]
    return not head[5] & 4 or start + 27 + len(segments) + sum(segments) > len(content)


def _id3_bytes(content: bytes) -> int:
    """Length of the ID3v2 tag at the beginning; its size is written in bytes of seven bits."""
    if len(content) < 10 or content[:3] != b"ID3":
        return 0
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _mp3_frames(content: bytes) -> int:
    """How many frames the Xing or Info header in the first frame announces; 0 if it is absent or does not say."""
    start = _id3_bytes(content)
    head = re.search(
        rb"(?:Xing|Info)\0\0\0[\x01\x03\x05\x07\x09\x0b\x0d\x0f](.{4})", content[start : start + 64], re.DOTALL
    )
    return int.from_bytes(head[1], "big") if head else 0


def _claimed_share(content: bytes, container_format: str) -> float:
    """How many bytes of samples the file announces for each that it has, at least 1."""
    position, layout, alignment = _CHUNKS[container_format]
    for _ in range(_MAX_CHUNKS):
        if position + struct.calcsize(layout) >= len(content):
            break
        name, n_bytes = struct.unpack_from(layout, content, position)
        position += struct.calcsize(layout)
        if name == b"data":
            return max(1.0, n_bytes / (len(content) - position)) if n_bytes < _STREAMED_BYTES else 1.0
        position += n_bytes + -n_bytes % alignment
    return 1.0
