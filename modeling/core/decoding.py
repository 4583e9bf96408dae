"""Audio files to mono 16 kHz waveforms, safely.

A file comes from strangers, so nothing it says about itself is believed: packets are decoded, checked, mixed down
and resampled in blocks of bounded size, and decoding ends at MAX_DURATION_S whatever the header claims. A 15-minute
file with eight channels therefore needs the memory of the file and of its result (58 MB), and a few MB more.

FFmpeg (PyAV) reads everything: as fast as libsndfile or faster, silently, and packet by packet, so that what is
damaged can be left out and counted. It is told the format, which is recognised by the first bytes, and is given
bytes and no name: left to guess, it would take a text file for a playlist and open the addresses in it. It may use a
few decoders only, or it would decode the picture on the cover while opening a file.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import av
import numpy as np
from numpy.typing import NDArray

from modeling.core import containers
from modeling.core.audio import duration_s
from modeling.core.damage import Tally
from modeling.core.mixdown import AnotherSound, AudioError, Mixdown

MAX_FILE_BYTES = 50 * 2**20
MIN_DURATION_S = 1.0
SILENCE_RMS = 1e-4
"""-80 dBFS: a faint piece of ambient music has about -50, the dither of a silent 16-bit file -96."""

_MAX_PACKETS = 500_000
"""15 minutes of the shortest Opus packets (2.5 ms) are 360,000; 50 MB of empty ones would keep a worker for minutes."""

_PRELUDE_PACKETS = 20
"""May be of another kind than the rest: AAC that doubles its rate says so late, an MP3 can begin with another's end."""

_DECODERS = (
    *("aac", "alac", "flac", "mp2", "mp2float", "mp3", "mp3float", "opus", "vorbis"),
    *("pcm_u8", "pcm_s8", "pcm_alaw", "pcm_mulaw"),
    *(f"pcm_{kind}{order}" for kind in ("s16", "s24", "s32", "f32", "f64") for order in ("le", "be")),
)
_OPTIONS = {
    "codec_whitelist": ",".join(_DECODERS),
    "probesize": str(2**20),  # packets read ahead to learn the format: the least ones take a hundred times their size
    "max_probe_packets": "1",  # else a WAV's samples are searched for DTS, which takes longer than reading them
}


@dataclass(frozen=True)
class Recording:
    """What a file holds. Full scale is 1, but samples may exceed it."""

    waveform: NDArray[np.float32]
    """Mono at SAMPLE_RATE_HZ, shape (n_samples,): finite, and not silent."""

    damage: str
    """A sentence or two for people about what is missing; "" when the file is whole."""


def load(path: Path | str) -> Recording:
    """Decode a file, mix it down (mean of the channels) and resample it to 16 kHz (soxr, HQ).

    Equals `librosa.load(path, sr=16000, res_type="soxr_hq")` to within float rounding (Opus, which the two decode by
    different programs: -70 dB). A file that ends too early or is damaged in the middle gives what can be decoded,
    and says so.

    Parameters
    ----------
    path : path of a local file
        At most 50 MB, 1 s to 15 minutes, 8 to 192 kHz, 1 to 8 channels. The file's name and extension do not matter.

    Raises
    ------
    AudioError
        If it is not an audio file, or breaks one of the limits above, holds NaN or infinite samples, samples beyond 8
        times full scale, or nothing louder than -80 dBFS (rms). Features need more than a second for a meaning: see
        `modeling.core.audio.lengthened`.
    """
    with opened(path) as (container, content):
        recording = _decoded(container, content)
    _check_waveform(recording.waveform)
    return recording


@contextmanager
def opened(path: Path | str) -> Iterator[tuple[av.container.InputContainer, bytes]]:
    """The file as FFmpeg sees it, and its bytes. Raises AudioError as `load` does."""
    content = _content(Path(path))
    container_format = containers.container_format(content)
    if container_format is None:
        raise AudioError(f"This is not an audio file that can be read; {containers.EXPECTED}")
    try:
        with av.open(
            _File(content), mode="r", format=container_format, options=_OPTIONS, metadata_errors="replace"
        ) as container:
            yield container, content
    except av.FFmpegError as error:
        found = f"The {container_format.upper()} file is damaged or incomplete"
        raise AudioError(f"{found}: its parts cannot be found") from error


def _content(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # Opening a pipe would wait until somebody writes into it.
            raise AudioError("This is a folder, a pipe or a device; expected an audio file")
        if status.st_size > MAX_FILE_BYTES:
            found, limit = status.st_size / 2**20, MAX_FILE_BYTES // 2**20
            raise AudioError(f"The file has {found:,.0f} MB; at most {limit} MB are accepted")
        content = path.read_bytes()
    except OSError as error:
        raise AudioError(f"The file cannot be opened: {error.strerror}") from error
    if not content:
        raise AudioError("The file is empty (0 bytes)")
    return content


class _File(io.BytesIO):
    """Bytes that can be read ten times over. Every decoder needs less; only one that searches noise for sense more."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._left = 10 * (len(content) + 2**20)

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size) if self._left > 0 else b""
        self._left -= len(chunk)
        return chunk


def _decoded(container: av.container.InputContainer, content: bytes) -> Recording:
    tally = Tally()
    mixdown = feed(container, tally, Mixdown)
    if mixdown is None:
        raise AudioError(f"The file holds no sound, or none that can be decoded; {containers.EXPECTED}")
    damage = tally.damage(
        mixdown.duration_s,
        promised_s=containers.promised_s(content, container, decoded_s=mixdown.duration_s),
        lacks_end=containers.lacks_end(content),
    )
    if damage and tally.n_lost > tally.n_packets / 2:
        raise AudioError(f"{tally} could not be decoded: the file is damaged, or no audio file")
    return Recording(mixdown.waveform(), damage)


class Sink(Protocol):
    """Takes frames that are all alike: `add` raises AnotherSound for one that does not fit."""

    def fits(self, frame: av.AudioFrame) -> bool: ...

    def add(self, frame: av.AudioFrame) -> None: ...


_S = TypeVar("_S", bound=Sink)


def feed(container: av.container.InputContainer, tally: Tally, begin: Callable[[av.AudioFrame], _S]) -> _S | None:
    """All that can be decoded, into what `begin` makes of the first frame; None if there is nothing."""
    sink = None
    for packet in _packets(container, sound(container), tally):
        tally.count(packet)
        try:
            for frame in packet.decode():
                if sink is None or (tally.n_packets <= _PRELUDE_PACKETS and not sink.fits(frame)):
                    sink = begin(frame)
                tally.reach(frame)
                sink.add(frame)
        except AnotherSound:
            tally.lose(packet)
            tally.is_mixed = True
        except MemoryError:
            raise  # FFmpeg's too is one of its errors, and says nothing about the packet
        except av.FFmpegError:
            tally.lose(packet)
    return sink


def sound(container: av.container.InputContainer) -> av.AudioStream:
    if not container.streams.audio:
        raise AudioError(f"The file holds no sound; {containers.EXPECTED}")
    stream: av.AudioStream = container.streams.audio[0]
    codec = stream.codec_context.name if stream.codec_context else "something unknown"
    if codec not in _DECODERS:
        raise AudioError(f"The sound is encoded as {codec}; {containers.EXPECTED}")
    if codec == "flac":
        stream.codec_context.options = {"err_detect": "crccheck+explode"}  # a frame with a wrong sum is noise
    return stream


def _packets(
    container: av.container.InputContainer, stream: av.AudioStream, tally: Tally
) -> Iterator[av.Packet[av.AudioStream]]:
    """The packets, and at last an empty one, which makes the decoder give up what it holds back."""
    drain = None
    try:
        for n_packets, packet in enumerate(container.demux(stream)):
            if n_packets > _MAX_PACKETS:
                raise AudioError(f"The file is cut into more than {_MAX_PACKETS:,} packets; no track needs so many")
            if packet.size:
                yield packet
            else:
                drain = packet
    except av.FFmpegError:
        tally.n_packets += 1  # one that was begun, and nothing can be found behind it
        tally.n_lost += 1
    if drain is not None:
        yield drain


def _check_waveform(waveform: NDArray[np.float32]) -> None:
    found_s = duration_s(waveform)
    if found_s < MIN_DURATION_S:
        raise AudioError(f"Only {found_s:.2f} s of audio could be decoded; at least {MIN_DURATION_S:g} s are needed")
    rms = float(np.sqrt(np.dot(waveform, waveform) / len(waveform)))
    if rms < SILENCE_RMS:
        raise AudioError(f"The track is silent (rms {rms:.1e} of full scale; at least {SILENCE_RMS:.0e} is expected)")
