"""What each number of the signal feature set is. Imports nothing heavy, so the web process may read it."""

from __future__ import annotations

from itertools import pairwise

from modeling.core.columns import OWN, Column, mean_and_spread

BAND_EDGES_HZ = (0, 60, 120, 250, 500, 1000, 2000, 4000, 8000)
FLUX_EDGES_HZ = (0, 250, 2000, 8000)
CONTRAST_EDGES_HZ = (0, 200, 400, 800, 1600, 3200, 6400)
ROLLOFF_PERCENTS = (85, 95)
N_MFCC, N_DELTAS = 20, 13
PITCH_CLASSES = ("c", "c_sharp", "d", "d_sharp", "e", "f", "f_sharp", "g", "g_sharp", "a", "a_sharp", "b")
LEVEL_PERCENTILES = (5, 10, 25, 50, 75, 90, 95)

_RMS, _LUFS, _R128 = "librosa.feature.rms", "ITU-R BS.1770-4", "EBU Tech 3341"
_ONSET_STRENGTH, _ONSETS = "librosa.onset.onset_strength", "librosa.onset.onset_detect"
_MFCC_SOURCE, _CHROMA_SOURCE = "librosa.feature.mfcc", "librosa.feature.chroma_stft"

_LEVEL = (
    Column("rms_db", "Level of the whole clip", "dBFS", OWN),
    *(Column(f"level_p{p:02d}_db", f"Frame level, percentile {p}", "dBFS", _RMS) for p in LEVEL_PERCENTILES),
    Column("level_mean_db", "Frame level, mean", "dBFS", _RMS),
    Column("level_std_db", "Frame level, spread", "dB", _RMS),
    Column("level_range_db", "Frame level, percentile 95 minus percentile 10", "dB", _RMS),
    Column("rms_mean", "Frame rms, mean", "full scale", _RMS),
    Column("rms_std", "Frame rms, spread", "full scale", _RMS),
    Column("low_energy_share", "Share of frames with less than half the mean rms", "0..1", _RMS),
    Column("quiet_share", "Share of frames under -50 dBFS", "0..1", _RMS),
    Column("peak_db", "Highest sample at 16 kHz", "dBFS", OWN),
    Column("true_peak_db", "Highest sample at 64 kHz, of the mono clip at 16 kHz", "dBTP", "ITU-R BS.1770-4, Annex 2"),
    Column("crest_db", "Highest sample over the level of the clip", "dB", OWN),
    Column("frame_crest_db", "Highest sample of a frame over its level, median", "dB", OWN),
    Column("clipped_share", "Share of samples beyond 0.99 of full scale", "0..1", OWN),
    Column("level_change_db", "Mean absolute change of level from frame to frame", "dB", _RMS),
)
_LOUDNESS = (
    Column("loudness_lufs", "Integrated loudness, gated", "LUFS", _LUFS),
    Column("loudness_max_momentary_lufs", "Loudest 0.4 s", "LUFS", _R128),
    Column("loudness_max_short_term_lufs", "Loudest 3 s", "LUFS", _R128),
    Column("loudness_range_lu", "Loudness of 3 s, gated, percentile 95 minus percentile 10", "LU", "EBU Tech 3342"),
    Column("dynamic_complexity_lu", "Mean distance of the loudness of 0.4 s from the integrated loudness", "LU", OWN),
)
_RHYTHM = (
    Column("onset_strength_mean", "Mean rise of 64 mel bands from frame to frame", "dB", _ONSET_STRENGTH),
    Column("onset_strength_std", "Onset strength, spread", "dB", _ONSET_STRENGTH),
    Column("onset_strength_p95", "Onset strength, percentile 95", "dB", _ONSET_STRENGTH),
    Column("onset_strength_max", "Onset strength, largest", "dB", _ONSET_STRENGTH),
    Column("onset_rate_hz", "Onsets a second (relative to the strongest: even noise has some)", "1/s", _ONSETS),
    Column("onset_interval_std_s", "Time between onsets, spread", "s", _ONSETS),
    Column("onset_peak_mean", "Onset strength at the onsets, mean", "dB", _ONSETS),
    Column("tempo_bpm", "Tempo, prior around 120, in whole frames of 32 ms a beat", "BPM", "librosa.feature.tempo"),
    Column("tempo_strength", "Autocorrelation of the onset strength about its mean, at the tempo", "0..1", OWN),
    Column("tempo_strength_half", "The same at half the tempo", "0..1", OWN),
    Column("tempo_strength_double", "The same at twice the tempo", "0..1", OWN),
    Column("pulse_clarity", "Highest of that autocorrelation from 40 to 220 BPM", "0..1", OWN),
)
_FLUX = tuple(
    Column(
        f"flux_{band}_{statistic}",
        f"Rise of the magnitude spectrum from frame to frame, sum over {where}, {meaning}",
        "full scale",
        f"{_ONSET_STRENGTH} of magnitudes",
    )
    for band, where in (("full", "all bins"), ("low", "bins under 250 Hz"), ("high", "bins from 2 kHz"))
    for statistic, meaning in (("mean", "mean"), ("std", "spread"), ("p95", "percentile 95"))
)
_BANDS = tuple(
    column
    for low, high in pairwise(BAND_EDGES_HZ)
    for column in (
        Column(f"band_{low}_{high}_db", f"Power from {low} to {high} Hz", "dBFS", OWN),
        Column(f"band_{low}_{high}_share_db", f"Power from {low} to {high} Hz, of all power", "dB", OWN),
        Column(f"band_{low}_{high}_std_db", f"Power from {low} to {high} Hz by frame, spread", "dB", OWN),
    )
)
_SHAPE = (
    *mean_and_spread("centroid_hz", "Spectral centroid", "Hz", "librosa.feature.spectral_centroid"),
    *mean_and_spread("bandwidth_hz", "Spectral bandwidth", "Hz", "librosa.feature.spectral_bandwidth"),
    *(
        column
        for share in ROLLOFF_PERCENTS
        for column in mean_and_spread(
            f"rolloff_{share}_hz",
            f"Frequency under which {share} % of the magnitude lies",
            "Hz",
            "librosa.feature.spectral_rolloff",
        )
    ),
    *mean_and_spread("flatness", "Spectral flatness of the power", "0..1", "librosa.feature.spectral_flatness"),
    *mean_and_spread("entropy", "Entropy of the power spectrum, of its maximum", "0..1", OWN),
)
_CONTRAST = tuple(
    column
    for low, high in pairwise(CONTRAST_EDGES_HZ)
    for column in mean_and_spread(
        f"contrast_{low}_{high}_db",
        f"Strongest over weakest bins from {low} to {high} Hz",
        "dB",
        "librosa.feature.spectral_contrast",
    )
)
_ZERO_CROSSINGS = mean_and_spread(
    "zero_crossing_rate",
    "Share of samples with another sign than the one before",
    "0..1",
    "librosa.feature.zero_crossing_rate",
)
_MFCC = (
    *(Column(f"mfcc_{i:02d}_mean", f"Mel cepstral coefficient {i}, mean", "dB", _MFCC_SOURCE) for i in range(N_MFCC)),
    *(Column(f"mfcc_{i:02d}_std", f"Mel cepstral coefficient {i}, spread", "dB", _MFCC_SOURCE) for i in range(N_MFCC)),
    *(
        Column(
            f"mfcc_{i:02d}_delta_std",
            f"Mel cepstral coefficient {i}, spread of its slope over 9 frames",
            "dB/frame",
            "librosa.feature.delta",
        )
        for i in range(N_DELTAS)
    ),
)
_CHROMA = (
    *(Column(f"chroma_{name}_mean", f"Pitch class {name}, mean", "0..1", _CHROMA_SOURCE) for name in PITCH_CLASSES),
    *(Column(f"chroma_{name}_std", f"Pitch class {name}, spread", "0..1", _CHROMA_SOURCE) for name in PITCH_CLASSES),
    Column("chroma_change", "Mean absolute change of the pitch classes from frame to frame", "0..1", OWN),
)

COLUMNS: tuple[Column, ...] = (
    *_LEVEL,
    *_LOUDNESS,
    *_RHYTHM,
    *_FLUX,
    *_BANDS,
    *_SHAPE,
    *_CONTRAST,
    *_ZERO_CROSSINGS,
    *_MFCC,
    *_CHROMA,
)
VERSION = 2
