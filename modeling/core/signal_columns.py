"""What each number of the signal feature set is. Imports nothing heavy, so the web process may read it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

BAND_EDGES_HZ = (0, 60, 120, 250, 500, 1000, 2000, 4000, 8000)
N_MFCC = 20
PITCH_CLASSES = ("c", "c_sharp", "d", "d_sharp", "e", "f", "f_sharp", "g", "g_sharp", "a", "a_sharp", "b")
LEVEL_PERCENTILES = (5, 10, 25, 50, 75, 90, 95)


@dataclass(frozen=True)
class Column:
    """One number of a feature set."""

    name: str
    description: str
    unit: str


def _mean_and_spread(name: str, what: str, unit: str) -> tuple[Column, Column]:
    return Column(f"{name}_mean", f"{what}, mean over frames", unit), Column(f"{name}_std", f"{what}, spread", unit)


_LEVEL = (
    Column("rms_db", "Level of the whole clip", "dBFS"),
    *(Column(f"level_p{p:02d}_db", f"Frame level, percentile {p}", "dBFS") for p in LEVEL_PERCENTILES),
    Column("level_mean_db", "Frame level, mean", "dBFS"),
    Column("level_std_db", "Frame level, spread", "dB"),
    Column("level_range_db", "Frame level, percentile 95 minus percentile 10", "dB"),
    Column("rms_mean", "Frame rms, mean", "full scale"),
    Column("rms_std", "Frame rms, spread", "full scale"),
    Column("low_energy_share", "Share of frames with less than half the mean rms", "0..1"),
    Column("quiet_share", "Share of frames under -50 dBFS", "0..1"),
    Column("peak_db", "Highest sample (at 16 kHz, not oversampled)", "dBFS"),
    Column("crest_db", "Highest sample over the level of the clip", "dB"),
    Column("frame_crest_db", "Highest sample of a frame over its level, median", "dB"),
    Column("clipped_share", "Share of samples beyond 0.99 of full scale", "0..1"),
    Column("level_change_db", "Mean |change| of level from frame to frame", "dB"),
)
_LOUDNESS = (
    Column("loudness_lufs", "Integrated loudness, gated (BS.1770)", "LUFS"),
    Column("loudness_max_momentary_lufs", "Loudest 0.4 s", "LUFS"),
    Column("loudness_max_short_term_lufs", "Loudest 3 s", "LUFS"),
    Column("loudness_range_lu", "Short-term loudness, gated percentile 95 minus percentile 10 (EBU 3342)", "LU"),
    Column("dynamic_complexity_lu", "Mean distance of 0.4 s loudness from the integrated loudness", "LU"),
)
_RHYTHM = (
    Column("onset_strength_mean", "Mean rise of the mel bands from frame to frame", "dB"),
    Column("onset_strength_std", "Onset strength, spread", "dB"),
    Column("onset_strength_p95", "Onset strength, percentile 95", "dB"),
    Column("onset_strength_max", "Onset strength, largest", "dB"),
    Column("onset_rate_hz", "Onsets a second", "1/s"),
    Column("onset_interval_std_s", "Time between onsets, spread", "s"),
    Column("onset_peak_mean", "Onset strength at the onsets, mean", "dB"),
    Column("tempo_bpm", "Strongest periodicity of the onset strength, 40..220, prior at 120", "BPM"),
    Column("tempo_strength", "Autocorrelation of the onset strength at the tempo", "0..1"),
    Column("tempo_strength_half", "The same at half the tempo", "0..1"),
    Column("tempo_strength_double", "The same at twice the tempo", "0..1"),
    Column("pulse_clarity", "Highest autocorrelation in the range of tempi, without prior", "0..1"),
)
_FLUX = tuple(
    Column(f"flux_{band}_{statistic}", f"Rise of the magnitude spectrum, {where}, {meaning}", "full scale")
    for band, where in (("full", "all bins"), ("low", "under 250 Hz"), ("high", "over 2 kHz"))
    for statistic, meaning in (("mean", "mean"), ("std", "spread"), ("p95", "percentile 95"))
)
_BANDS = tuple(
    column
    for low, high in pairwise(BAND_EDGES_HZ)
    for column in (
        Column(f"band_{low}_{high}_db", f"Power from {low} to {high} Hz", "dBFS"),
        Column(f"band_{low}_{high}_share_db", f"Power from {low} to {high} Hz, of all power", "dB"),
        Column(f"band_{low}_{high}_std_db", f"Power from {low} to {high} Hz by frame, spread", "dB"),
    )
)
_SHAPE = (
    *_mean_and_spread("centroid_hz", "Spectral centroid", "Hz"),
    *_mean_and_spread("bandwidth_hz", "Spectral bandwidth", "Hz"),
    *_mean_and_spread("rolloff_85_hz", "Frequency under which 85 % of the magnitude lies", "Hz"),
    *_mean_and_spread("rolloff_95_hz", "Frequency under which 95 % of the magnitude lies", "Hz"),
    *_mean_and_spread("flatness", "Spectral flatness of the power", "0..1"),
    *_mean_and_spread("entropy", "Entropy of the power spectrum, of its maximum", "0..1"),
    *_mean_and_spread("zero_crossing_rate", "Share of samples with another sign than the one before", "0..1"),
)
_MFCC = (
    *(Column(f"mfcc_{i:02d}_mean", f"Mel cepstral coefficient {i}, mean", "dB") for i in range(N_MFCC)),
    *(Column(f"mfcc_{i:02d}_std", f"Mel cepstral coefficient {i}, spread", "dB") for i in range(N_MFCC)),
    *(
        Column(f"mfcc_{i:02d}_delta_std", f"Mel cepstral coefficient {i}, spread of its slope", "dB/frame")
        for i in range(13)
    ),
)
_CHROMA = (
    *(Column(f"chroma_{name}_mean", f"Strength of pitch class {name}, mean", "0..1") for name in PITCH_CLASSES),
    *(Column(f"chroma_{name}_std", f"Strength of pitch class {name}, spread", "0..1") for name in PITCH_CLASSES),
    Column("chroma_change", "Mean |change| of the chroma from frame to frame", "0..1"),
)

COLUMNS: tuple[Column, ...] = (*_LEVEL, *_LOUDNESS, *_RHYTHM, *_FLUX, *_BANDS, *_SHAPE, *_MFCC, *_CHROMA)
VERSION = 1
