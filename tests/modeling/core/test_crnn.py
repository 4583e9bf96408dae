"""The convolutional recurrent network: that it learns from spectrograms, and that numpy says what Keras says."""

import os
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

from modeling.core import logmel
from modeling.core.analysis import Analysis
from modeling.core.logmel_columns import FLOOR_DB, N_BANDS, N_STEPS, STEP_S
from modeling.core.metrics import macro_mae
from modeling.core.recipes import RECIPES
from modeling.core.recipes.crnn import (
    CRNN,
    SpectrogramNetwork,
    as_numpy,
    mean_and_scale_of_bands,
    score,
    spectrograms,
    standardised,
)
from modeling.core.recipes.score import Learnt
from tests.audio_signals import noise, pulses

QUICK = {"n_epochs": 4, "learning_rate": 4e-3, "batch_size": 16, "n_maps": 8, "n_units": 16}


def tracks(n, seed=0):
    """Spectrograms whose loudness and hits a second rise with the level; half of what each says is noise."""
    rng = np.random.default_rng(seed)
    y = np.clip(np.round(rng.normal(5.5, 1.9, n)), 1, 10)
    loudness_db = -80 + 3 * y + rng.normal(0, 4, n)
    hits_hz = 0.15 * y * np.exp(rng.normal(0, 0.15, n))
    since_hit_s = (np.arange(N_STEPS) * STEP_S + rng.uniform(0, 10, n)[:, None]) % (1 / hits_hz[:, None])
    hits_db = 5 * np.log10(1e-3 + np.exp(-since_hit_s / 0.25))
    timbre_db = -0.25 * np.arange(N_BANDS) + rng.normal(0, 4, (n, N_BANDS))
    sound = loudness_db[:, None, None] + timbre_db[:, :, None] + hits_db[:, None]
    X = np.clip(sound + rng.normal(0, 3, sound.shape), FLOOR_DB, 0).astype(np.float32)
    return X.reshape(n, -1), y, np.arange(n) // 3


@pytest.fixture(scope="module")
def fitted():
    """Cuts and intervals are from tracks that the network has not seen, as `fit` has them, which takes several networks."""
    recipe = CRNN(**QUICK, seed=1)
    known, unknown = (recipe.checked(*tracks(n, seed), None) for n, seed in ((160, 0), (100, 2)))
    scorer = recipe.fit_scorer(known, np.random.default_rng(recipe.seed))
    return recipe.adopt(unknown, Learnt(scorer, scorer.predict(unknown.X).clip(1, 10)))


def test_it_hears_loudness_and_hits_where_levels_are_written_in_them(fitted):
    X, y, _ = tracks(150, seed=1)

    assert macro_mae(y, fitted.predict(X)) < 0.6 * macro_mae(y, np.full(len(y), 5))
    assert np.corrcoef(fitted.predict_score(X), y)[0, 1] > 0.8
    lower, upper = fitted.predict_interval(X)
    assert np.mean((lower <= y) & (y <= upper)) > 0.75


def test_it_learns_nothing_from_labels_that_are_dealt_out_anew():
    X, y, groups = tracks(160)
    recipe, dealt = CRNN(**QUICK), np.random.default_rng(3).permutation(y)
    X_new, y_new, _ = tracks(150, seed=1)

    scorer = recipe.fit_scorer(recipe.checked(X, dealt, groups, None), np.random.default_rng(0))

    assert macro_mae(y_new, scorer.predict(X_new).clip(1, 10)) > 0.8 * macro_mae(y_new, np.full(len(y_new), 5))


def test_a_saved_network_predicts_exactly_the_same_and_takes_no_keras(fitted, tmp_path):
    X, _, _ = tracks(20, seed=1)
    fitted.save(tmp_path)
    np.save(tmp_path / "X.npy", X)
    program = (
        "import sys, numpy as np; from pathlib import Path; from modeling.core.recipes import RECIPES\n"
        "model = RECIPES['crnn'].load(Path(sys.argv[1]))\n"
        "np.save(sys.argv[1] + '/score.npy', model.predict_score(np.load(sys.argv[1] + '/X.npy')))\n"
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )

    answer = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, env=os.environ
    )

    assert answer.stdout.strip() == "set()"
    assert np.array_equal(np.load(tmp_path / "score.npy"), fitted.predict_score(X))
    loaded = RECIPES["crnn"].load(tmp_path)
    assert np.array_equal(loaded.predict(X), fitted.predict(X))
    assert np.array_equal(loaded.predict_interval(X), fitted.predict_interval(X))
    assert (loaded.config, loaded.notes) == (fitted.config, fitted.notes)
    with np.load(tmp_path / "crnn.npz", allow_pickle=False) as stored:
        assert all(stored[name].dtype != object for name in stored)


def test_the_same_seed_gives_the_same_network(fitted):
    recipe = CRNN(**fitted.config)

    again = recipe.fit_scorer(recipe.checked(*tracks(160), None), np.random.default_rng(recipe.seed))

    X, _, _ = tracks(20, seed=1)
    assert again.predict(X) == pytest.approx(fitted.scorer.predict(X), abs=1e-4)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_numpy_says_what_keras_says(n_layers):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20, N_BANDS, N_STEPS)).astype(np.float32)
    model = CRNN(n_layers=n_layers, n_maps=4, n_units=6)._model()
    # Also means, variances and biases that a fresh network has at 0 and 1.
    model.set_weights([array * rng.uniform(0.5, 2) + rng.uniform(0, 0.1) for array in model.get_weights()])

    expected = model(z[..., None], training=False).numpy()[:, 0]

    assert np.ptp(expected) > 0.01
    assert score(z, as_numpy(model, centre=5.0, spread=2.0)) == pytest.approx(5 + 2 * expected, abs=1e-5)


def test_a_clip_is_turned_in_time_and_loses_a_few_bands():
    z = np.broadcast_to(np.arange(N_STEPS) + 1000.0, (50, N_BANDS, N_STEPS)).astype(np.float32)

    found = CRNN(shift_s=1, mask_bands=5)._augmented(z, np.random.default_rng(0))

    masked = np.all(found == 0, axis=2)
    assert set(masked.sum(axis=1)) == set(range(6))
    assert np.all(np.abs(np.diff(masked.astype(int), axis=1)).sum(axis=1) <= 2)
    turned_by = [(clip[~hidden][0, 0] - 1000 + 50) % N_STEPS - 50 for clip, hidden in zip(found, masked, strict=True)]
    assert set(turned_by) == set(range(-4, 5))
    kept = found[0][~masked[0]]
    assert np.all(np.sort(kept, axis=1) == z[0, 0])
    assert np.array_equal(CRNN(shift_s=0, mask_bands=0)._augmented(z, np.random.default_rng(0)), z)


def test_it_stops_when_epochs_are_not_better_and_keeps_the_best(monkeypatch):
    X, _, groups = tracks(40)
    y = np.repeat([4.0, 5.0], 20)
    fits = [iter([9, 7, 8, 8, 6]) for _ in range(4)]
    unused = iter(fits)
    monkeypatch.setattr(CRNN, "_epochs", lambda *known: next(unused))
    monkeypatch.setattr(SpectrogramNetwork, "predict", lambda network, X: np.full(len(X), network.weights))

    recipe = CRNN(patience=2).fit(X, y, groups=groups)

    assert recipe.scorer.weights == 7
    assert np.all(recipe.predict_score(X) == 7)
    assert [list(not_reached) for not_reached in fits] == [[6]] * 4, "three without a fold, and one of all tracks"


def test_a_band_that_is_the_same_in_all_that_is_known_says_nothing_of_a_track_where_it_is_not():
    known = np.full((5, N_BANDS, N_STEPS), -77.7, np.float32)
    known[:, 0] = np.linspace(-90, -40, N_STEPS)

    z = standardised(known + np.float32(9), *mean_and_scale_of_bands(known))

    assert np.all(z[:, 1:] == 0)
    assert z[:, 0].std() == pytest.approx(1, abs=1e-5)


def test_real_clips_of_any_length_are_what_it_takes():
    clips = np.stack([logmel.describe(Analysis(clip)) for clip in (noise(0.1, 3), pulses(120), np.zeros(16_000, "f4"))])

    assert spectrograms(clips).shape == (3, N_BANDS, N_STEPS)


@pytest.mark.parametrize(
    ("X", "found"),
    [
        (np.zeros((30, 175)), "found 175 features; crnn expects the 7488 of logmel@1"),
        (np.zeros((30, 7488 + 12)), "found 7500 features; crnn expects the 7488 of logmel@1"),
        (np.linspace(-300, 0, 30 * 7488).reshape(30, -1), "found features from -300 to 0; crnn expects .* in dB"),
        (np.linspace(0, 44, 30 * 7488).reshape(30, -1), "found features from 0 to 44; crnn expects .* in dB"),
    ],
    ids=["another set", "one set more", "under the floor", "no dB"],
)
def test_what_is_no_log_mel_spectrogram_is_refused_with_what_to_do(fitted, X, found):
    y = np.repeat([3.0, 7.0], 15)

    with pytest.raises(ValueError, match=f"{found}.* compute_features --set logmel, or use another recipe"):
        CRNN(**QUICK).fit(X, y)
    with pytest.raises(ValueError, match=found):
        fitted.predict(X)


def test_a_spectrogram_that_is_not_finite_is_refused_with_its_place(fitted):
    X, y, _ = tracks(20)
    X[4, 2] = np.nan

    with pytest.raises(ValueError, match="feature 2 of row 4 is nan"):
        CRNN(**QUICK).fit(X, y)
    with pytest.raises(ValueError, match="feature 2 of row 4 is nan"):
        fitted.predict(X)


@pytest.mark.parametrize(
    "options",
    [{"n_layers": 0}, {"n_layers": 4}, {"dropout": 1.0}, {"mask_bands": 65}, {"n_epochs": 0}, {"shift_s": -1}],
)
def test_options_that_make_no_network_are_refused(options):
    (name,) = options
    assert name in {field.name for field in fields(CRNN)}

    with pytest.raises(ValueError, match=f"found {name} {next(iter(options.values()))}; expected"):
        CRNN(**options)
