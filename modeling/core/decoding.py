"""Audio files to mono 16 kHz waveforms, safely.

A file comes from strangers, so nothing it says about itself is believed: blocks of bounded size are read, checked,
mixed down and resampled one after the other, and decoding ends at MAX_DURATION_S whatever the header claims. A
15-minute file with eight channels therefore needs the memory of its result (58 MB) and a few MB more.

libsndfile reads first: PyAV takes up to twice as long. PyAV reads what libsndfile cannot (m4a, some Opus)
and what that gives up on (damage in the middle), and only formats recognised by their first bytes: left to guess,
FFmpeg would take a text file for a playlist and open the addresses in it. On a damaged MP3 libsndfile's decoder
writes notes to stderr by itself; silencing it would mean closing stderr for the whole process, other threads' logs
included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from modeling.core.audio import SAMPLE_RATE_HZ, duration_s

MAX_FILE_BYTES = 50 * 2**20
MAX_DURATION_S = 15 * 60
MIN_DURATION_S = 1.0
MIN_SOURCE_RATE_HZ, MAX_SOURCE_RATE_HZ = 8_000, 192_000
MAX_CHANNELS = 8
MAX_AMPLITUDE = 8.0
"""Full scale is 1; float files of real music stay under 2. Beyond 8 the samples are not audio."""

SILENCE_RMS = 1e-4
"""-80 dBFS: a faint piece of ambient music has about -50, the dither of a silent 16-bit file -96."""

_BLOCK_FRAMES = 65_536
_MPEG1_MIN_RATE_HZ = 32_000
"""Under it an MP3 is MPEG-2: libsndfile decodes it right, but complains to stderr by the hundred. PyAV is silent."""

_EXPECTED = "expected MP3, Ogg Vorbis, Opus, FLAC, WAV, AIFF or M4A"


class AudioError(Exception):
    """The file cannot be used as audio. The message says what was found and what was expected, for people."""


@dataclass(frozen=True)
class Recording:
    """What a file holds. Full scale is 1, but samples may exceed it."""

    waveform: NDArray[np.float32]
    """Mono at SAMPLE_RATE_HZ, shape (n_samples,): finite, and not silent."""

    damage: str
    """A sentence for people about what is missing; "" when the file is whole."""


def load(path: Path | str) -> Recording:
    """Decode a file, mix it down (mean of the channels) and resample it to 16 kHz (soxr, HQ).

    Equals `librosa.load(path, sr=16000, res_type="soxr_hq")` to within float rounding. A file
    that ends too early or is damaged in the middle gives what can be decoded, and says so.

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
    path = Path(path)
    _check_file(path)
    recording = _decoded(path)
    _check_content(recording.waveform)
    return recording


class _Mixdown:
    """Blocks of any rate and channel count in, one checked mono 16 kHz waveform out."""

    def __init__(self, rate_hz: int, n_channels: int) -> None:
        if not MIN_SOURCE_RATE_HZ <= rate_hz <= MAX_SOURCE_RATE_HZ:
            limits = f"{MIN_SOURCE_RATE_HZ} to {MAX_SOURCE_RATE_HZ} Hz"
            raise AudioError(f"The sample rate is {rate_hz} Hz; expected {limits}")
        if not 1 <= n_channels <= MAX_CHANNELS:
            raise AudioError(f"The file has {n_channels} channels; expected 1 to {MAX_CHANNELS}")
        self._resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        self._samples = bytearray()  # grows in place: no second copy of a long track
        self._rate_hz, self._n_frames = rate_hz, 0

    def add(self, block: NDArray[np.float32]) -> None:
        """Take one block, shape (n_frames, n_channels)."""
        _check_block(block)
        self._n_frames += len(block)
        if self._n_frames > MAX_DURATION_S * self._rate_hz:
            raise AudioError(f"The track is longer than {MAX_DURATION_S // 60} minutes, which is the limit")
        self._samples += self._resampler.resample_chunk(np.ascontiguousarray(block.mean(axis=1))).data

    def waveform(self) -> NDArray[np.float32]:
        self._samples += self._resampler.resample_chunk(np.empty(0, np.float32), last=True).data
        n_samples = -(-self._n_frames * SAMPLE_RATE_HZ // self._rate_hz)
        self._samples += bytes(max(4 * n_samples - len(self._samples), 0))  # soxr rounds down, librosa up
        return np.frombuffer(self._samples, np.float32, count=n_samples)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise AudioError("This is a folder; expected an audio file")
    try:
        n_bytes: int = path.stat().st_size
    except OSError as error:
        raise AudioError(f"The file cannot be opened: {error.strerror}") from error
    if not n_bytes:
        raise AudioError("The file is empty (0 bytes)")
    if n_bytes > MAX_FILE_BYTES:
        raise AudioError(f"The file has {n_bytes / 2**20:.0f} MB; at most {MAX_FILE_BYTES // 2**20} MB are accepted")


def _check_block(block: NDArray[np.float32]) -> None:
    highest = max(float(block.max(initial=0)), -float(block.min(initial=0)))
    if not np.isfinite(highest):
        raise AudioError("The file holds samples that are not numbers (NaN or infinite)")
    if highest > MAX_AMPLITUDE:
        raise AudioError(f"Samples reach {highest:.3g} times full scale; real audio stays under {MAX_AMPLITUDE:g}")


def _check_content(waveform: NDArray[np.float32]) -> None:
    found_s = duration_s(waveform)
    if found_s < MIN_DURATION_S:
        raise AudioError(f"Only {found_s:.2f} s of audio could be decoded; at least {MIN_DURATION_S:g} s are needed")
    rms = float(np.sqrt(np.dot(waveform, waveform) / len(waveform)))
    if rms < SILENCE_RMS:
        raise AudioError(f"The track is silent (rms {rms:.1e} of full scale; at least {SILENCE_RMS:.0e} is expected)")


def _decoded(path: Path) -> Recording:
    try:
        # By descriptor, not by name: soundfile takes an extension such as .raw for an order to read raw samples.
        with path.open("rb") as file, soundfile.SoundFile(os.dup(file.fileno()), closefd=True) as sound:
            if sound.format != "MP3" or sound.samplerate >= _MPEG1_MIN_RATE_HZ:
                return Recording(_load_by_libsndfile(sound), damage="")
        found = "MP3 of a low sample rate"
    except soundfile.LibsndfileError as error:
        found = error.error_string
    return _load_by_ffmpeg(path, found=found)


def _load_by_libsndfile(sound: soundfile.SoundFile) -> NDArray[np.float32]:
    mixdown = _Mixdown(sound.samplerate, sound.channels)
    for block in _blocks(sound):
        mixdown.add(block)
    return mixdown.waveform()


def _blocks(sound: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    """Blocks of one reused buffer until the data ends: `sound.frames` can claim 2**63 - 1."""
    buffer = np.empty((_BLOCK_FRAMES, sound.channels), np.float32)
    while len(block := sound.read(out=buffer)):
        yield block


def _load_by_ffmpeg(path: Path, *, found: str) -> Recording:
    """Decode by PyAV, skipping damaged packets; `found` is libsndfile's reason for not reading the file."""
    with path.open("rb") as file:
        container_format = _container_format(file.read(12))
        if container_format is None:
            raise AudioError(f"This is not an audio file that can be read ({found.strip('. ')}); {_EXPECTED}")
        file.seek(0)
        try:
            with av.open(file, mode="r", format=container_format, metadata_errors="replace") as container:
                return _decode(container)
        except (av.FFmpegError, ValueError) as error:
            raise AudioError(f"The {container_format} file is damaged ({error}); {_EXPECTED}") from error


def _container_format(head: bytes) -> str | None:
    """FFmpeg's name of the format that the first 12 bytes announce.

    >>> _container_format(b"OggS........")
    'ogg'
    >>> _container_format(b"#EXTM3U\\nhttp") is None
    True
    """
    if head[4:8] == b"ftyp":
        return "mp4"
    named = {b"OggS": "ogg", b"fLaC": "flac", b"RIFF": "wav", b"\x1a\x45\xdf\xa3": "matroska"}
    if head[:4] in named:
        return named[head[:4]]
    if head[:3] == b"ID3":
        return "mp3"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # The layer bits are zero in AAC's frame header and never in MP3's.
        return "mp3" if head[1] & 0x06 else "aac"
    return None


def _decode(container: av.container.InputContainer) -> Recording:
    if not container.streams.audio:
        raise AudioError(f"The file holds no sound; {_EXPECTED}")
    stream = container.streams.audio[0]
    to_float = av.AudioResampler(format="fltp")
    mixdown = None
    n_damaged = n_decoded = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            n_damaged += 1
            continue
        n_decoded += 1
        for frame in frames:
            mixdown = mixdown or _Mixdown(frame.sample_rate, frame.layout.nb_channels)
            for converted in to_float.resample(frame):
                mixdown.add(converted.to_ndarray().T.astype(np.float32, copy=False))
    if mixdown is None or n_damaged > n_decoded:
        raise AudioError(f"The file is damaged: {n_damaged} of {n_damaged + n_decoded} packets cannot be decoded")
    damage = f"{n_damaged:,} of {n_damaged + n_decoded:,} packets could not be decoded" if n_damaged else ""
    return Recording(mixdown.waveform(), damage)
