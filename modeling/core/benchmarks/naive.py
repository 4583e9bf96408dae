"""The same numbers as a first version would get them: librosa for everything that is audio, keras for the net."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray

from modeling.core import audio, convnet, convnet_weights
from modeling.core.convnet_graph import POOLINGS

_RATE_HZ, _N_FFT, _HOP = 16_000, 512, 256


def transfer_features(path: Path) -> NDArray[np.float32]:
    """What `convnet.transfer_features` makes of the file."""
    waveform, _ = librosa.load(path, sr=_RATE_HZ)
    clip = audio.lengthened(audio.feature_window(waveform), convnet.MIN_SAMPLES)
    padding = max(-len(clip) % _HOP + _N_FFT - _HOP, 0)
    power = librosa.feature.melspectrogram(
        y=np.pad(clip, (padding // 2, padding - padding // 2)),
        sr=12_000,  # the net was trained with these filters, and on audio of 16 kHz
        n_fft=_N_FFT,
        hop_length=_HOP,
        n_mels=96,
        center=False,
    )
    level_db = librosa.power_to_db(power, ref=np.max)
    normal = (level_db - level_db.mean()) / (level_db.std() + 1e-10)
    features: NDArray[np.float32] = _model().predict(normal[None, :, :, None], verbose=0)[0]
    return features


def signal_features(waveform: NDArray[np.float32]) -> None:
    """About the descriptors of the signal features: librosa's functions one by one, an STFT in each."""
    f = librosa.feature
    f.rms(y=waveform, frame_length=1024)
    f.zero_crossing_rate(waveform, frame_length=1024)
    f.spectral_flatness(y=waveform, n_fft=1024)
    for describe in (f.spectral_centroid, f.spectral_bandwidth, f.spectral_rolloff, f.chroma_stft):
        describe(y=waveform, sr=_RATE_HZ, n_fft=1024, hop_length=512)
    f.delta(f.mfcc(y=waveform, sr=_RATE_HZ, n_mfcc=20, n_mels=64, n_fft=1024, hop_length=512))
    librosa.onset.onset_detect(y=waveform, sr=_RATE_HZ)
    f.tempo(y=waveform, sr=_RATE_HZ)


@cache
def _model() -> Any:
    """The net as published: batch normalisation is a layer of its own. It changes nothing here, the weights have it already."""
    import tensorflow as tf  # takes seconds, and only the net needs it

    # One thread, as everything here: several would add their waiting for each other to the CPU time.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    layers, weights = tf.keras.layers, convnet_weights.load()
    maps = spectrogram = layers.Input((96, None, 1))
    means = []
    for kernel, bias, pooling in zip(weights.kernels, weights.biases, POOLINGS, strict=True):
        convolution = layers.Conv2D(len(bias), 3, padding="same")
        activations = layers.ELU()(layers.BatchNormalization(epsilon=0)(convolution(maps)))
        convolution.set_weights([kernel.transpose(2, 3, 1, 0), bias])
        means.append(layers.GlobalAveragePooling2D()(activations))
        maps = layers.MaxPooling2D(pooling)(activations)
    return tf.keras.Model(spectrogram, layers.Concatenate()(means))
