"""Builders of files that lie about themselves, or are far larger than they look."""

import struct
import tempfile
import zlib
from functools import cache
from pathlib import Path

import av
import numpy as np

from tests.modeling.core.encoding import WRITERS, music


@cache
def sound(kind: str, seconds: float = 2) -> bytes:
    """A good file of that kind: 48 kHz, stereo."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"
        WRITERS[kind](path, music(seconds), 48_000)
        return path.read_bytes()


def wav(samples: bytes, *, n_channels: int = 1, rate_hz: int = 44_100, bits: int = 16) -> bytes:
    frame_bytes = n_channels * bits // 8
    form = struct.pack("<HHIIHH", 1, n_channels, rate_hz, rate_hz * frame_bytes % 2**32, frame_bytes % 2**16, bits)
    data = b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", 28 + len(data)) + b"WAVEfmt " + struct.pack("<I", len(form)) + form + data


def id3(name: bytes, value: bytes) -> bytes:
    """A tag of one field, to be put before an MP3."""
    body = name + struct.pack(">I", len(value)) + bytes(2) + value
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + body


def png(side: int) -> bytes:
    """A black square: a thousandth of its size in memory."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + 3 * side)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def mp4(*, n_packets: int, packet_bytes: list[int] | int, offsets: int, data: bytes) -> bytes:
    """AAC whose index says what it likes: all packets begin at the start of the data, which may hold one only."""

    def box(name: bytes, *parts: bytes) -> bytes:
        content = b"".join(parts)
        return struct.pack(">I", 8 + len(content)) + name + content

    def numbers(*values: int) -> bytes:
        return struct.pack(f">{len(values)}I", *values)

    same = isinstance(packet_bytes, int)
    sizes = numbers(0, packet_bytes, n_packets) if same else numbers(0, 0, n_packets, *packet_bytes)
    decoder = b"\x03\x19\0\1\0\x04\x11\x40\x15" + bytes(11) + b"\x05\x02\x11\x90\x06\1\x02"  # AAC-LC, 48 kHz, stereo
    sound_box = box(
        b"mp4a",
        bytes(6) + b"\0\1" + bytes(8),
        struct.pack(">HHII", 2, 16, 0, 48_000 << 16),
        box(b"esds", bytes(4), decoder),
    )
    head = box(b"ftyp", b"M4A \0\0\2\0isom")

    def index(start: int) -> bytes:
        table = box(
            b"stbl",
            box(b"stsd", numbers(0, 1), sound_box),
            box(b"stts", numbers(0, 1, n_packets, 1_024)),
            box(b"stsc", numbers(0, 1, 1, n_packets // offsets, 1)),
            box(b"stsz", sizes),
            box(b"stco", numbers(0, offsets), np.full(offsets, start, ">u4").tobytes()),
        )
        media = box(
            b"mdia",
            box(b"mdhd", numbers(0, 0, 0, 48_000, 480_000, 0)),
            box(b"hdlr", numbers(0, 0), b"soun", bytes(13)),
            box(b"minf", box(b"smhd", bytes(8)), table),
        )
        track = box(b"trak", box(b"tkhd", numbers(7, 0, 0, 1, 0, 480_000), bytes(60)), media)
        return box(b"moov", box(b"mvhd", numbers(0, 0, 0, 48_000, 480_000), bytes(80)), track)

    return head + index(len(head) + len(index(0)) + 8) + box(b"mdat", data)


def aac_packet() -> bytes:
    """A packet of sound, as it lies in an M4A."""
    adts = sound("aac")
    start, size = 0, 0
    for _ in range(20):
        start += size
        size = (adts[start + 3] & 3) << 11 | adts[start + 4] << 3 | adts[start + 5] >> 5
    return adts[start + 7 : start + size]


def opus(packet: bytes, n_packets: int, *, n_channels: int = 2) -> bytes:
    """The packet, of 20 ms, again and again."""
    mapping = bytes([255, n_channels, 0, *range(n_channels)]) if n_channels > 2 else b"\0"
    head = b"OpusHead\1" + struct.pack("<BHIh", n_channels, 312, 48_000, 0) + mapping
    pages = [_page([head], flags=2), _page([b"OpusTags" + bytes(8)], number=1)]
    for first in range(0, n_packets, 100):
        n = min(100, n_packets - first)
        is_last = first + n == n_packets
        pages.append(_page([packet] * n, flags=4 * is_last, granule=960 * (first + n), number=len(pages)))
    return b"".join(pages)


def _page(packets: list[bytes], *, flags: int = 0, granule: int = 0, number: int = 0) -> bytes:
    segments = [size for packet in packets for size in [255] * (len(packet) // 255) + [len(packet) % 255]]
    head = b"OggS\0" + struct.pack("<BqIIIB", flags, granule, 1, number, 0, len(segments)) + bytes(segments)
    page = bytearray(head + b"".join(packets))
    page[22:26] = struct.pack("<I", _ogg_sum(page))
    return bytes(page)


def _ogg_sum(page: bytes) -> int:
    remainder = 0
    for byte in page:
        remainder ^= byte << 24
        for _ in range(8):
            remainder = (remainder << 1 ^ 0x04C1_1DB7 if remainder & 0x8000_0000 else remainder << 1) & 0xFFFF_FFFF
    return remainder


def film(path: Path, *, format: str, with_sound: bool) -> None:
    """Two seconds of moving colour, with music or silent."""
    with av.open(path, "w", format=format) as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width = picture.height = 64
        audio = container.add_stream("aac", rate=48_000, layout="stereo") if with_sound else None
        for number in range(20):
            colour = np.full((64, 64, 3), 10 * number, np.uint8)
            container.mux(picture.encode(av.VideoFrame.from_ndarray(colour, format="rgb24")))
        container.mux(picture.encode(None))
        if audio is None:
            return
        samples = music(2)
        for start in range(0, len(samples), 1_024):
            block = np.ascontiguousarray(samples[start : start + 1_024].T)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 48_000, start
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
