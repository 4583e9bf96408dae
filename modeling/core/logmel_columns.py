"""What each number of the log-mel feature set is. Imports nothing heavy, so the web process may read it."""

from __future__ import annotations

from modeling.core.columns import Column

VERSION = 1

N_BANDS = 64
"""`spectra.N_MELS`: the bands that the signal features are made of, so they cost nothing more."""

FRAMES_PER_STEP, N_STEPS, STEP_S = 8, 117, 0.256
"""Steps of 8 hops of 32 ms: 117 to the 30 s that features describe; the last has the two frames that are over."""

FLOOR_DB = -120.0
"""What is quieter is raised to it, and clips of less than 30 s are filled up with it."""

COLUMNS = tuple(
    Column(
        f"logmel_{band:02d}_{step:03d}",
        f"Mean power in mel band {band}, from {step * STEP_S:.3f} s",
        "dBFS/Hz",
        "librosa.feature.melspectrogram",
    )
    for band in range(N_BANDS)
    for step in range(N_STEPS)
)
"""Band after band: `row.reshape(N_BANDS, N_STEPS)` is the spectrogram."""
