import numpy as np
import pytest

from modeling.core.metrics import macro_mae
from modeling.core.recipes import RECIPES, single_model
from modeling.core.recipes.network import Network, Networks, score
from modeling.core.recipes.scaling import Standardised

# Large steps, so that a few epochs teach something.
QUICK = {"n_epochs": 12, "learning_rate": 0.01, "n_neurons": 16, "batch_size": 20, "n_folds": 2, "n_layers": 2}


def tracks(n=150, p=8, seed=0):
    rng = np.random.default_rng(seed)
    y = np.clip(np.round(rng.normal(5.5, 1.8, n)), 1, 10)
    X = rng.normal(size=(n, p)).astype(np.float32)
    X[:, :3] += y[:, None]
    return X, y, np.arange(n) // 3


@pytest.fixture(scope="module")
def fitted():
    X, y, groups = tracks()
    return Network(**QUICK, seed=2).fit(X, y, groups=groups)


def test_a_network_predicts_new_tracks_far_better_than_a_constant(fitted):
    X, y, _ = tracks(seed=1)

    assert np.mean(np.abs(fitted.predict(X) - y)) < 0.7 * np.mean(np.abs(5 - y))
    assert fitted.predict_score(X).min() >= 1
    lower, upper = fitted.predict_interval(X)
    assert np.mean((lower <= y) & (y <= upper)) > 0.75


def test_a_saved_network_predicts_exactly_the_same(fitted, tmp_path):
    X, _, _ = tracks(seed=1)
    fitted.save(tmp_path)

    loaded = RECIPES["network"].load(tmp_path)

    assert np.array_equal(loaded.predict_score(X), fitted.predict_score(X))
    assert loaded.config == fitted.config


def test_the_same_seed_gives_the_same_networks_and_each_of_several_is_another():
    recipe = Network(**{**QUICK, "n_epochs": 1}, n_networks=2)
    learnt_from = recipe.checked(*tracks(), None)

    first, again = (recipe.fit_scorer(learnt_from, np.random.default_rng(5)) for _ in range(2))

    assert np.allclose(first.weights, again.weights, atol=1e-6)
    assert not np.allclose(first.weights[0], first.weights[1], atol=1e-2)
    alone = Networks(first.mean, first.scale, first.weights[:1], first.widths)
    other = Networks(first.mean, first.scale, first.weights[1:], first.widths)
    X = tracks()[0]
    assert first.predict(X) == pytest.approx((alone.predict(X) + other.predict(X)) / 2)


def test_the_default_is_the_network_of_the_thesis():
    model = Network()._model(172)

    described = [
        (type(layer).__name__, getattr(layer, "units", getattr(layer, "rate", None))) for layer in model.layers
    ]
    assert described == [
        ("Dense", 128),
        ("Dropout", 0.5),
        ("Activation", None),
        ("Dense", 128),
        ("Dropout", 0.5),
        ("Activation", None),
        ("Dense", 128),
        ("Activation", None),
        ("Dense", 1),
    ]
    assert {layer.activation.__name__ for layer in model.layers[2:8] if hasattr(layer, "activation")} == {
        "tanh",
        "linear",
    }
    assert np.abs(model.layers[0].get_weights()[0]).max() <= 0.05
    recipe = Network()
    assert (recipe.learning_rate, recipe.n_epochs, recipe.resampling, recipe.decision) == (
        1.16e-4,
        100,
        "smote",
        "lowest_mae",
    )


def test_numpy_says_what_keras_says():
    X, _, _ = tracks()
    recipe = Network(n_neurons=16)
    model, scaled = recipe._model(8), Standardised.fit(X.astype(float))
    weights = [array + 0.01 for array in model.get_weights()]
    model.set_weights(weights)

    flat = np.concatenate([array.ravel() for array in weights])
    networks = Networks(scaled.mean, scaled.scale, flat[None], np.array([8, 16, 16, 16, 1]))

    assert networks.predict(X) == pytest.approx(model.predict(scaled(X), verbose=0)[:, 0], abs=1e-5)


def test_nine_outputs_are_the_log_odds_of_nine_questions():
    kernel, bias = np.zeros((3, 9)), np.array([9.0, 9, 9, 0, -9, -9, -9, -9, -9])

    assert score(np.zeros((1, 3)), [kernel, bias]) == pytest.approx(1 + 3 + 0.5, abs=2e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"target": "standardised", "loss": "macro_mae", "resampling": "none"},
        {"head": "ordinal", "decision": "lowest_macro_mae"},
    ],
    ids=lambda options: " ".join(options.values()),
)
def test_what_may_be_done_otherwise_learns_too(options):
    X, y, groups = tracks()
    X_new, y_new, _ = tracks(seed=1)

    recipe = Network(**QUICK, **options).fit(X, y, groups=groups)

    assert macro_mae(y_new, recipe.predict(X_new)) < 0.7 * macro_mae(y_new, np.full(len(y_new), 5))


def test_validation_tracks_and_their_artists_are_not_resampled(monkeypatch):
    X, y, groups = tracks(n=60)
    X[:, 0] = np.arange(60)
    seen = []
    resample = single_model.resample

    def spy(rows, *arguments, **options):
        seen.append(set(rows.X[:, 0].astype(int)))
        return resample(rows, *arguments, **options)

    monkeypatch.setattr(single_model, "resample", spy)
    recipe = Network(**{**QUICK, "n_epochs": 1})
    recipe.fit_scorer(recipe.checked(X, y, groups, None), np.random.default_rng(0))

    (learnt_from,) = seen
    validated = set(range(60)) - learnt_from
    assert 8 <= len(validated) <= 16
    assert not {groups[row] for row in validated} & {groups[row] for row in learnt_from}


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="found head 'logits'; expected one of"):
        Network(head="logits")
