"""What is missing of a file that was cut off or scratched, from what became of its packets."""

from __future__ import annotations

import av

from modeling.core.mixdown import MAX_DURATION_S, AudioError

_MAX_LOST = 10_000
"""15 minutes of MP3 have 35,000: what has lost so many is a trap, each costs an exception."""

_CLOCK_JITTER_S = 0.05
"""Timestamps of whole files jump by up to 10 ms."""

_PADDING_S = 0.1
"""Some headers count what the encoder put before and behind the sound, two frames of 2,048 at most."""


class Tally:
    """What became of a file's packets. Those that could not be decoded, or hold another kind of sound, are lost."""

    def __init__(self) -> None:
        self.n_packets = self.n_lost = 0
        self.is_mixed = False  # whether another kind of sound was among the lost
        self._n_bytes = self._n_lost_bytes = 0
        self._start_s: float | None = None
        self._end_s = 0.0

    def __str__(self) -> str:
        return f"{self.n_lost:,} of {self.n_packets:,} packets"

    def count(self, packet: av.Packet) -> None:
        self.n_packets += packet.size > 0
        self._n_bytes += packet.size

    def reach(self, frame: av.AudioFrame) -> None:
        """Look at the clock of a frame that could be decoded."""
        start_s = frame.time
        if start_s is not None:
            self._start_s = start_s if self._start_s is None else self._start_s
            self._end_s = start_s + frame.samples / frame.sample_rate

    def lose(self, packet: av.Packet) -> None:
        self.n_lost += packet.size > 0
        self._n_lost_bytes += packet.size
        if self.n_lost > _MAX_LOST:
            raise AudioError(f"{self} could not be decoded: the file is damaged, or no audio file")

    def damage(self, decoded_s: float, *, promised_s: float | None, lacks_end: bool) -> str:
        """What is missing beside the seconds that could be decoded, as `Recording.damage` says it."""
        if promised_s and decoded_s >= promised_s and not (lacks_end or self.is_mixed):
            return ""  # what could not be decoded was no sound, but a tag
        lost_s = self._lost_s(decoded_s)
        end_s = decoded_s + lost_s
        sentences = []
        if self.n_lost:
            sentences.append(f"{self} could not be decoded (about {_seconds(lost_s)})")
        elif lost_s > _CLOCK_JITTER_S:
            sentences.append(f"About {_seconds(lost_s)} are missing in the middle")
        if promised_s and promised_s - end_s > max(_PADDING_S, lost_s):  # what is lost is an estimate
            sentences.append(f"The file ends after {_seconds(end_s)}; its header promises {_seconds(promised_s)}")
        elif lacks_end:
            sentences.append(f"The file has no mark at its end, after {_seconds(end_s)}: it was probably cut off")
        return ". ".join(sentences)

    def _lost_s(self, decoded_s: float) -> float:
        """The largest of three estimates: each misses what another sees.

        The clock of the frames goes on over what is damaged, except in MP3 and AAC, where noise swallows the packets
        behind it. A packet that swallowed others is large. A last one that was cut off is small.
        """
        by_clock = self._end_s - (self._start_s or 0.0) - decoded_s
        by_bytes = decoded_s * self._n_lost_bytes / max(self._n_bytes - self._n_lost_bytes, 1)
        by_count = decoded_s * self.n_lost / max(self.n_packets - self.n_lost, 1)
        return max(by_clock if by_clock < MAX_DURATION_S else 0.0, by_bytes, by_count)


def _seconds(duration_s: float) -> str:
    return f"{duration_s:,.{1 if duration_s >= 1 else 2}f} s"
