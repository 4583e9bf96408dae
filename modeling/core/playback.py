"""Which files browsers play, and a copy that they do for the others: FLAC, 16 bit, mono or stereo, at most 48 kHz.

The copy holds what `decoding.load` reads and nothing else, so that its clock is that of the waveform: also where a file
is damaged, over which each browser passes in its own way.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import av

from modeling.core import containers, decoding
from modeling.core.damage import Tally
from modeling.core.mixdown import AnotherSound, AudioError

MAX_RATE_HZ = 48_000

_PLAYED = {
    # What browsers play has been the same for years, but for the rare (ALAC, AIFF: Safari alone; FLAC in Ogg: not Safari).
    "mp3": {"mp3", "mp3float"},
    "ogg": {"vorbis", "opus"},
    "flac": {"flac"},
    "wav": {"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"},
    "aac": {"aac"},
    "mp4": {"aac"},
    "matroska": {"vorbis", "opus"},
}


def is_playable(path: Path | str) -> bool:
    """Whether all browsers in use play the file as it is. Raises AudioError as `decoding.load` does."""
    with decoding.opened(path) as (container, content):
        container_format = containers.container_format(content) or ""
        if decoding.sound(container).codec_context.name not in _PLAYED.get(container_format, ()):
            return False
        match container_format:
            case "wav":
                return not content.startswith(b"RF64")
            case "flac":
                return _flac_bits(content) <= 24
            case "matroska":
                return b"webm" in content[:64]  # the type of document, in the EBML header
        return True


def write_copy(source: Path | str, target: Path) -> None:
    """Write what can be decoded of `source` to `target`, all or nothing, with little memory beside that of the file.

    Raises
    ------
    AudioError
        As `decoding.load` does, which is expected to have accepted the file.
    OSError
        The copy cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{uuid4().hex}")
    try:
        with decoding.opened(source) as (container, _):
            copy = decoding.feed(container, Tally(), lambda first: _Copy(first, unfinished))
        if copy is None:
            raise AudioError("The file holds no sound, or none that can be decoded")
        copy.finish()
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


class _Copy:
    """Frames in, a FLAC file out. One that is begun anew writes over the file."""

    def __init__(self, first: av.AudioFrame, path: Path) -> None:
        self._sound = _sound(first)
        self._n_frames = 0
        self._file = av.open(path, "w", format="flac")
        layout = "mono" if first.layout.nb_channels == 1 else "stereo"
        self._stream = self._file.add_stream("flac", rate=min(first.sample_rate, MAX_RATE_HZ), layout=layout)
        self._stream.format = "s16"

    def fits(self, frame: av.AudioFrame) -> bool:
        return _sound(frame) == self._sound

    def add(self, frame: av.AudioFrame) -> None:
        if not self.fits(frame):
            raise AnotherSound
        frame.pts, frame.time_base = self._n_frames, Fraction(1, frame.sample_rate)  # the file's own clock may jump
        self._n_frames += frame.samples
        self._encode(frame)

    def finish(self) -> None:
        self._encode(None)
        self._file.close()

    def _encode(self, frame: av.AudioFrame | None) -> None:
        try:
            self._file.mux(self._stream.encode(frame))
        except MemoryError:
            raise
        except av.FFmpegError as error:  # who decodes would take it for a damaged packet
            raise OSError(f"The copy for browsers cannot be written: {error}") from error


def _sound(frame: av.AudioFrame) -> tuple[int, int, str]:
    return frame.sample_rate, frame.layout.nb_channels, frame.format.name


def _flac_bits(content: bytes) -> int:
    """Bits a sample, less one, are written in five bits, 103 bits into the first block, behind the mark and a head of 4 bytes."""
    start = content.index(b"fLaC") + 8
    return (int.from_bytes(content[start + 12 : start + 14], "big") >> 4 & 0x1F) + 1
