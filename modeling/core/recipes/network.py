"""The thesis's neural network, and what may be done otherwise."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from modeling.core.chunks import Matrix, per_chunk, standardised
from modeling.core.decisions import HALVES, MacroMaeThresholds, round_to_level
from modeling.core.metrics import MAX_LEVEL, MIN_LEVEL, Floats, Levels, macro_mae
from modeling.core.recipes.scaling import Standardised
from modeling.core.recipes.score import Tracks
from modeling.core.recipes.single_model import SingleModelRecipe
from modeling.core.resampling import Rows, balanced
from modeling.core.ridge import checked_matrix

# A fifth of the groups says which epoch is best.
N_VALIDATION_FOLDS = 5
N_QUESTIONS = MAX_LEVEL - MIN_LEVEL

Weights = list[NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Networks:
    """Networks of one architecture on standardised features, whose scores are averaged.

    Attributes
    ----------
    weights : shape (n_networks, n_weights), float32
        Of each network, layer after layer, kernel before bias.
    widths : shape (n_layers + 1,), int
        Inputs, units of each hidden layer, outputs: one (the score), or nine (the log-odds that the level is above k).
    """

    mean: Floats
    scale: Floats
    weights: NDArray[np.float32]
    widths: NDArray[np.int64]

    def predict(self, X: ArrayLike) -> Floats:
        """See `Scorer.predict`."""
        networks, scaled = [self._arrays(flat) for flat in self.weights], Standardised(self.mean, self.scale)

        def mean_score(part: Matrix) -> Floats:
            z = scaled(part)
            return np.mean([score(z, network) for network in networks], axis=0)

        return per_chunk(checked_matrix(X), mean_score)

    def _arrays(self, flat: NDArray[np.float32]) -> Weights:
        shapes = [
            shape
            for n_in, n_out in zip(self.widths[:-1], self.widths[1:], strict=True)
            for shape in [(n_in, n_out), (n_out,)]
        ]
        ends = np.cumsum([np.prod(shape) for shape in shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]


def score(z: Matrix, weights: Weights) -> Floats:
    """What a network of these kernels and biases says of standardised rows, in levels, shape (n_rows,)."""
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        z = np.tanh(z @ kernel + bias)
    output = z @ weights[-2] + weights[-1]
    return output[:, 0] if output.shape[1] == 1 else MIN_LEVEL + expit(output).sum(axis=1)


def _standardised(rows: Rows, scaled: Standardised) -> Rows:
    return Rows(standardised(rows.X, scaled.mean, scaled.scale), rows.y, rows.weight)


@dataclass(kw_only=True, eq=False)
class Network(SingleModelRecipe):
    """Dense layers with tanh, dropout in all but the last; Adam; the epoch with the best macro-MAE on validation tracks.

    Validation tracks are held out by group before the rest is resampled. The defaults are the thesis's (its table 3.11;
    batch and rate its table 3.9). It does not say how features are scaled (here: standardised), nor which loss is lowered
    (here: squared error).

    Parameters
    ----------
    n_layers, n_neurons, dropout, learning_rate, batch_size, n_epochs
        Hidden layers, and how they learn.
    target : `raw` or `standardised`
        Labels in levels, or less their mean in units of their spread. With few rows raw ones are not reached in time.
    head : `linear` or `ordinal`
        One output, or nine: is the level above k?
    loss : `plain` or `macro_mae`
        The loss of each track (squared error, or nine cross-entropies); or absolute error (or the nine) weighted so that
        every level counts the same. Balanced so, scores are rounded whatever the decision: cuts would balance once more.
    n_networks : int
        Networks that differ by their seed and their validation tracks; their scores are averaged.
    """

    name = "network"
    scorer_class = Networks

    decision: str = "lowest_mae"
    resampling: str = "smote"
    n_layers: int = 3
    n_neurons: int = 128
    dropout: float = 0.5
    learning_rate: float = 1.16e-4
    batch_size: int = 100
    n_epochs: int = 100
    target: str = "raw"
    head: str = "linear"
    loss: str = "plain"
    n_networks: int = 1

    def choices(self) -> dict[str, Any]:
        """See `ScoreRecipe.choices`."""
        return super().choices() | {
            "target": ("raw", "standardised"),
            "head": ("linear", "ordinal"),
            "loss": ("plain", "macro_mae"),
        }

    def decide(self, tracks: Tracks, held_out_score: Floats) -> MacroMaeThresholds:
        """See `ScoreRecipe.decide`."""
        return MacroMaeThresholds(HALVES) if self.loss == "macro_mae" else super().decide(tracks, held_out_score)

    def fit_scorer(self, tracks: Tracks, rng: np.random.Generator) -> Networks:
        """Validation tracks are held out before the rest is resampled."""
        scaled, fold = Standardised.fit(tracks.X), tracks.folds(N_VALIDATION_FOLDS, self.seed)
        networks = []
        for number in range(self.n_networks):
            held_out = fold == number % (fold.max() + 1)
            # Resampled rows are several times the tracks: only their standardised copy is kept.
            known = _standardised(self.resampled(tracks.part(~held_out), rng), scaled)
            networks.append(self._trained(known, _standardised(tracks.part(held_out), scaled), rng))
        return Networks(
            scaled.mean,
            scaled.scale,
            np.stack([np.concatenate([array.ravel() for array in weights]) for weights in networks]),
            np.array([tracks.X.shape[1], *(bias.size for bias in networks[0][1::2])]),
        )

    def _trained(self, rows: Rows, validation: Rows, rng: np.random.Generator) -> Weights:
        """The weights of the best epoch; they give scores in levels."""
        from tensorflow import keras  # takes six seconds

        keras.utils.set_random_seed(int(rng.integers(2**31)))
        # The last layer learns standardised labels, and is stretched to levels when it is read.
        centre, spread = (rows.y.mean(), rows.y.std()) if self.target == "standardised" else (0.0, 1.0)
        target = self._target((rows.y - centre) / spread, rows.level)
        model = self._model(rows.X.shape[1])
        learn_epoch = self._epoch(model, rows.X, target, balanced(rows) if self.loss == "macro_mae" else rows.weight)
        best: tuple[float, Weights] = np.inf, []
        for _ in range(self.n_epochs):
            learn_epoch(rng.permutation(len(rows.y)))
            *hidden, kernel, bias = model.get_weights()
            weights = [*hidden, kernel * np.float32(spread), bias * np.float32(spread) + np.float32(centre)]
            error = macro_mae(validation.level, round_to_level(score(validation.X, weights)))
            best = min(best, (error, weights), key=lambda kept: kept[0])
        keras.backend.clear_session()  # or every model ever fitted stays in memory
        return best[1]

    def _epoch(self, model: Any, z: Matrix, target: Floats, weight: Floats) -> Any:
        """A function that learns from all rows once, in the order it is given: one graph, ten times as fast as `fit`."""
        import tensorflow as tf
        from tensorflow import keras

        optimizer = keras.optimizers.Adam(self.learning_rate)
        optimizer.build(model.trainable_variables)
        loss = self._loss()
        data = [tf.constant(array, tf.float32) for array in (z, target, weight)]

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
        def learn_epoch(order: Any) -> None:
            for start in tf.range(0, len(z), self.batch_size):
                inputs, wanted, weights = (tf.gather(array, order[start : start + self.batch_size]) for array in data)
                with tf.GradientTape() as tape:
                    value = loss(wanted, model(inputs, training=True), sample_weight=weights)
                optimizer.apply(tape.gradient(value, model.trainable_variables))

        return learn_epoch

    def _model(self, n_features: int) -> Any:
        from tensorflow import keras

        def dense(n_units: int) -> Any:
            return keras.layers.Dense(n_units, kernel_initializer="random_uniform")

        layers = [keras.Input((n_features,))]
        for number in range(self.n_layers):
            layers.append(dense(self.n_neurons))
            if number < self.n_layers - 1:
                layers.append(keras.layers.Dropout(self.dropout))
            layers.append(keras.layers.Activation("tanh"))
        return keras.Sequential([*layers, dense(N_QUESTIONS if self.head == "ordinal" else 1)])

    def _loss(self) -> Any:
        from tensorflow import keras

        if self.head == "ordinal":
            return keras.losses.BinaryCrossentropy(from_logits=True)
        return keras.losses.MeanAbsoluteError() if self.loss == "macro_mae" else keras.losses.MeanSquaredError()

    def _target(self, label: Floats, level: Levels) -> Floats:
        """Shape (n_rows, n_outputs)."""
        if self.head == "ordinal":
            return (level[:, None] > np.arange(MIN_LEVEL, MAX_LEVEL)).astype(float)
        return label[:, None]
