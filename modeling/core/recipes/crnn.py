"""A convolutional recurrent network on log-mel spectrograms, small enough to be fitted on two cores.

Section 6.2 of the thesis leaves it for later: features that a network makes for this very task, in place of numbers that
were made for others. Convolutions find sounds and hits, a recurrent layer follows them through the clip.

References
----------
Choi, Fazekas, Sandler and Cho, "Convolutional Recurrent Neural Networks for Music Classification", ICASSP 2017. Theirs has
four layers of convolution, two recurrent ones and hears 29 s in 1,366 steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from modeling.core.logmel_columns import FLOOR_DB, N_BANDS, N_STEPS, STEP_S, VERSION
from modeling.core.metrics import MAX_LEVEL, MIN_LEVEL, Floats, macro_mae
from modeling.core.recipes.score import Tracks, below
from modeling.core.recipes.single_model import SingleModelRecipe
from modeling.core.resampling import Rows
from modeling.core.ridge import checked_matrix

# Over bands and steps, after each layer of convolution: 64 bands by 117 steps become one by 29.
POOLS = ((4, 2), (4, 2), (4, 1))
# Samples reach 8 times full scale at most, and a band is wider than 1 Hz.
CEILING_DB = 20.0
# A fifth of the groups says which epoch is best.
N_VALIDATION_FOLDS = 5
# Spectrograms that are predicted at a time: what is in between takes 20 MB.
CHUNK = 16
BATCH_NORM_EPSILON = 1e-3

# Of the options.
LIMITS = {
    "n_layers": (1, len(POOLS)),
    "n_maps": (1, np.inf),
    "n_units": (1, np.inf),
    "dropout": (0, 0.9),
    "learning_rate": (0, 1),
    "batch_size": (1, np.inf),
    "n_epochs": (1, np.inf),
    "patience": (1, np.inf),
    "shift_s": (0, np.inf),
    "mask_bands": (0, N_BANDS),
}

Float32s = NDArray[np.float32]
Weights = tuple[Float32s, ...]


@dataclass(frozen=True, eq=False)
class SpectrogramNetwork:
    """A fitted network, in numpy: predicting takes no Keras.

    Attributes
    ----------
    mean, scale : shape (N_BANDS, 1)
        Of each band, in dB.
    weights
        Kernel (3, 3, maps in, maps out) and bias of each layer of convolution, batch normalisation multiplied into them;
        the GRU's kernel, recurrent kernel and two biases as Keras has them; kernel and bias of the score, in levels.
    """

    mean: Float32s
    scale: Float32s
    weights: Weights

    def predict(self, X: ArrayLike) -> Floats:
        """See `Scorer.predict`."""
        known = spectrograms(X)
        chunks = (known[start : start + CHUNK] for start in range(0, len(known), CHUNK))
        return np.concatenate([score(standardised(chunk, self.mean, self.scale), self.weights) for chunk in chunks])


def spectrograms(X: ArrayLike) -> NDArray[np.floating]:
    """The rows as (n_rows, N_BANDS, N_STEPS), in dB; ValueError where they are anything else than `logmel`."""
    features = np.asarray(X)
    expected = f"the {N_BANDS * N_STEPS} of logmel@{VERSION} ({N_BANDS} mel bands x {N_STEPS} steps) and nothing else"
    what_to_do = "compute them with manage.py compute_features --set logmel, or use another recipe"
    if features.ndim == 2 and features.shape[1] != N_BANDS * N_STEPS:
        raise ValueError(f"found {features.shape[1]} features; crnn expects {expected}: {what_to_do}")
    features = checked_matrix(features)
    low, high = features.min(), features.max()
    if low < FLOOR_DB or high > CEILING_DB:
        raise ValueError(
            f"found features from {low:g} to {high:g}; crnn expects {expected}, in dB from {FLOOR_DB:g} to"
            f" {CEILING_DB:g}: {what_to_do}"
        )
    return features.reshape(-1, N_BANDS, N_STEPS)


def mean_and_scale_of_bands(spectrogram: NDArray[np.floating]) -> tuple[Float32s, Float32s]:
    """Each of shape (N_BANDS, 1). A band that is constant in training is 0 when it is divided by its scale."""
    # Band by band: float64 copies of all of them would take twice the room of the tracks themselves.
    moments = [(band.mean(dtype=float), band.std(dtype=float)) for band in spectrogram.transpose(1, 0, 2)]
    mean, spread = np.array(moments, np.float32).T[..., None]
    # A constant band keeps rounding noise; dividing by that would blow it up.
    return mean, np.where(spread > 1e-6 * np.abs(mean), spread, np.float32(np.inf))


def standardised(spectrogram: NDArray[np.floating], mean: Float32s, scale: Float32s) -> Float32s:
    """Bands in units of their own spread; float32, which is what the network computes in."""
    return ((spectrogram - mean) / scale).astype(np.float32, copy=False)


def score(z: Float32s, weights: Weights) -> Floats:
    """What a network says of standardised spectrograms, in levels, shape (n_rows,)."""
    *convolutions, kernel, recurrent_kernel, gru_bias, out_kernel, out_bias = weights
    maps = z[..., None]
    for i, pool in zip(range(0, len(convolutions), 2), POOLS, strict=False):
        # Bias and ELU keep the order of values, so they may follow the pooling, which leaves an eighth to be done.
        maps = elu(max_pooled(convolved(maps, convolutions[i]), pool) + convolutions[i + 1])
    steps = maps.transpose(0, 2, 1, 3).reshape(len(z), maps.shape[2], -1)
    states = gru(steps, kernel, recurrent_kernel, gru_bias)
    return (states.mean(axis=1) @ out_kernel + out_bias)[:, 0].astype(float)


def convolved(maps: Float32s, kernel: Float32s) -> Float32s:
    """3 x 3, with zeros around, shape (n, bands, steps, maps out)."""
    _, bands, steps, n_maps = maps.shape
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    patches = [padded[:, i : i + bands, j : j + steps] for i in range(3) for j in range(3)]
    return np.concatenate(patches, axis=3) @ kernel.reshape(9 * n_maps, -1)


def elu(x: Float32s) -> Float32s:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def max_pooled(maps: Float32s, pool: tuple[int, int]) -> Float32s:
    """What is left over at the ends is left out, as Keras does."""
    n, bands, steps, n_maps = maps.shape
    whole = maps[:, : bands // pool[0] * pool[0], : steps // pool[1] * pool[1]]
    return whole.reshape(n, bands // pool[0], pool[0], steps // pool[1], pool[1], n_maps).max(axis=(2, 4))


def gru(steps: Float32s, kernel: Float32s, recurrent_kernel: Float32s, bias: Float32s) -> Float32s:
    """The states of a gated recurrent unit after each step, shape (n, n_steps, n_units); Keras's `reset_after` one."""
    inputs, n_units = steps @ kernel + bias[0], len(recurrent_kernel)
    state, states = np.zeros((len(steps), n_units), np.float32), []
    for step in inputs.transpose(1, 0, 2):
        recurrent = state @ recurrent_kernel + bias[1]
        update, reset = np.split(expit(step[:, : 2 * n_units] + recurrent[:, : 2 * n_units]), 2, axis=1)
        candidate = np.tanh(step[:, 2 * n_units :] + reset * recurrent[:, 2 * n_units :])
        state = update * state + (1 - update) * candidate
        states.append(state)
    return np.stack(states, axis=1)


@dataclass(kw_only=True, eq=False)
class CRNN(SingleModelRecipe):
    """Convolutions, each with batch normalisation, max pooling and ELU; a GRU over time; the mean of its states says the level.

    Learns standardised labels by squared error and Adam, and keeps the epoch with the best macro-MAE on validation tracks,
    which are held out by group. Takes the feature set `logmel` and nothing else.

    Parameters
    ----------
    n_layers : 1 to 3
        Of convolution; with fewer, the GRU is given more bands.
    n_maps, n_units
        Feature maps of each convolution; units of the GRU.
    dropout : 0 to 0.9
        After each convolution and before the score.
    learning_rate, batch_size, n_epochs
        How it learns.
    patience : int
        It stops when so many epochs in a row were not better.
    shift_s : float
        Each time it is learnt from, a clip is turned by up to so many seconds, its end before its beginning; 0 for never.
    mask_bands : int
        ... and up to so many neighbouring bands are set to their mean; 0 for none.
    """

    name = "crnn"
    feature_sets = ("logmel",)
    scorer_class = SpectrogramNetwork

    n_folds: int = 3
    n_layers: int = 3
    n_maps: int = 16
    n_units: int = 32
    dropout: float = 0.2
    learning_rate: float = 1e-3
    batch_size: int = 32
    n_epochs: int = 40
    patience: int = 8
    shift_s: float = 30.0
    mask_bands: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for option, (low, high) in LIMITS.items():
            if not low <= getattr(self, option) <= high:
                raise ValueError(f"found {option} {getattr(self, option)}; expected {low:g} to {high:g}")

    def checked(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None, sample_weight: ArrayLike | None) -> Tracks:
        """See `ScoreRecipe.checked`."""
        spectrograms(X)
        return super().checked(X, y, groups, sample_weight)

    def fit_scorer(self, tracks: Tracks, rng: np.random.Generator) -> SpectrogramNetwork:
        """Validation tracks are held out before the rest is resampled."""
        held_out = tracks.folds(N_VALIDATION_FOLDS, self.seed) == 0
        rows, validation = self.resampled(tracks.part(~held_out), rng), tracks.part(held_out)
        known = spectrograms(rows.X)
        mean, scale = mean_and_scale_of_bands(known)
        best: tuple[float, int, Any] = np.inf, 0, None
        for epoch, weights in enumerate(self._epochs(standardised(known, mean, scale), rows, rng)):
            network = SpectrogramNetwork(mean, scale, weights)
            # Not rounded: of a few dozen tracks that would leave more to chance.
            error = macro_mae(validation.level, network.predict(validation.X).clip(MIN_LEVEL, MAX_LEVEL))
            best = min(best, (error, epoch, network), key=lambda kept: kept[0])
            if epoch - best[1] >= self.patience:
                break
        return best[2]

    def _epochs(self, z: Float32s, rows: Rows, rng: np.random.Generator) -> Iterator[Weights]:
        """The weights after each epoch."""
        from tensorflow import keras  # takes six seconds

        keras.backend.clear_session()  # or every model ever fitted stays in memory
        keras.utils.set_random_seed(int(rng.integers(2**31)))
        model = self._model()
        centre, spread = rows.y.mean(), rows.y.std() or 1.0
        target = (rows.y - centre) / spread
        for _ in range(self.n_epochs):
            for batch in self._batches(len(z), rng):
                heard = self._augmented(z[batch], rng)
                model.train_on_batch(heard, target[batch, None], sample_weight=rows.weight[batch])
            yield as_numpy(model, centre=centre, spread=spread)

    def _batches(self, n_rows: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        order = rng.permutation(n_rows)
        return (order[start : start + self.batch_size] for start in range(0, n_rows, self.batch_size))

    def _augmented(self, z: Float32s, rng: np.random.Generator) -> Float32s:
        """Each spectrogram turned in time, and without some of its bands."""
        furthest = round(self.shift_s / STEP_S)
        shift = rng.integers(-furthest, furthest, size=len(z), endpoint=True)
        turned = np.take_along_axis(z, (np.arange(N_STEPS) + shift[:, None])[:, None] % N_STEPS, axis=2)
        n_masked = rng.integers(self.mask_bands, size=len(z), endpoint=True)
        first = rng.integers(N_BANDS - n_masked, endpoint=True)
        band = np.arange(N_BANDS)
        masked = (band >= first[:, None]) & (band < (first + n_masked)[:, None])
        return np.where(masked[..., None], np.float32(0), turned)

    def _model(self) -> Any:
        from tensorflow import keras

        layers = keras.layers
        stack = [keras.Input((N_BANDS, N_STEPS, 1))]
        for pool in POOLS[: self.n_layers]:
            stack += [
                layers.Conv2D(self.n_maps, 3, padding="same", use_bias=False),
                # 0.9: a small library has few batches an epoch.
                layers.BatchNormalization(momentum=0.9, epsilon=BATCH_NORM_EPSILON),
                layers.MaxPooling2D(pool),
                layers.Activation("elu"),
                layers.Dropout(self.dropout),
            ]
        n_bands = N_BANDS // int(np.prod([pool[0] for pool in POOLS[: self.n_layers]]))
        stack += [
            layers.Permute((2, 1, 3)),
            layers.Reshape((-1, n_bands * self.n_maps)),
            layers.GRU(self.n_units, return_sequences=True),
            layers.GlobalAveragePooling1D(),
            layers.Dropout(self.dropout),
            layers.Dense(1),
        ]
        model = keras.Sequential(stack)
        # Compiling it by XLA takes longer than a fit of 1,000 tracks, and what comes out is slower on a processor.
        model.compile(keras.optimizers.Adam(self.learning_rate), "mse", jit_compile=False)
        return model

    def scorer_to_arrays(self) -> dict[str, Any]:
        """See `ScoreRecipe.scorer_to_arrays`."""
        weights = {f"weights.{i:02d}": array for i, array in enumerate(self.scorer.weights)}
        return {"mean": self.scorer.mean, "scale": self.scorer.scale, **weights}

    def scorer_from_arrays(self, arrays: dict[str, NDArray[Any]]) -> SpectrogramNetwork:
        """See `ScoreRecipe.scorer_from_arrays`."""
        weights = below("weights", arrays)
        return SpectrogramNetwork(arrays["mean"], arrays["scale"], tuple(weights[name] for name in sorted(weights)))


def as_numpy(model: Any, *, centre: float, spread: float) -> Weights:
    """A Keras network's weights as `score` takes them: normalisation is multiplied into kernels, the score is in levels."""
    *convolutions, gru_kernel, recurrent_kernel, gru_bias, out_kernel, out_bias = model.get_weights()
    folded = []
    for i in range(0, len(convolutions), 5):
        kernel, gamma, beta, mean, variance = convolutions[i : i + 5]
        gain = gamma / np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
        folded += [kernel * gain, beta - mean * gain]
    in_levels = [out_kernel * np.float32(spread), out_bias * np.float32(spread) + np.float32(centre)]
    return (*folded, gru_kernel, recurrent_kernel, gru_bias, *in_levels)
