import numpy as np
import pytest

from modeling.core.ridge import Ridge, out_of_fold


def linear_data(n=120, p=8, seed=0, noise=0.5):
    rng = np.random.default_rng(seed)
    X = rng.normal(3, 2, (n, p))
    return X, 5 + X @ rng.normal(0, 0.3, p) + rng.normal(0, noise, n)


def test_the_fit_solves_the_normal_equations_of_its_penalty():
    X, y = linear_data()
    ridge = Ridge.fit(X, y)

    z = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = np.linalg.solve(z.T @ z + ridge.alpha * np.eye(8), z.T @ (y - y.mean()))

    assert np.allclose(ridge.coefficients, expected)
    assert np.allclose(ridge.predict(X), z @ expected + y.mean())


@pytest.mark.parametrize("weighted", [False, True])
def test_the_chosen_penalty_has_the_lowest_error_of_leaving_each_row_out_by_hand(weighted, monkeypatch):
    X, y = linear_data(n=25, p=10, noise=2.0)
    weight = np.random.default_rng(1).uniform(0.2, 3, 25) if weighted else np.ones(25)
    weight /= weight.mean()
    alphas = np.array([0.1, 3.0, 30.0, 300.0])
    monkeypatch.setattr("modeling.core.ridge.ALPHAS", alphas)
    # Standardised once by all rows, as in the formula; the intercept is refitted without the row.
    mean = np.average(X, axis=0, weights=weight)
    z = (X - mean) / np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))

    def left_out_error(alpha):
        design = np.column_stack([np.ones(25), z])
        penalty = np.diag([0.0] + [alpha] * 10)
        total = 0.0
        for row in range(25):
            rest = np.arange(25) != row
            gram = design[rest].T @ (weight[rest, None] * design[rest]) + penalty
            beta = np.linalg.solve(gram, design[rest].T @ (weight * y)[rest])
            total += weight[row] * (y[row] - design[row] @ beta) ** 2
        return total

    best = alphas[np.argmin([left_out_error(alpha) for alpha in alphas])]

    assert Ridge.fit(X, y, sample_weight=weight).alpha == best


def test_integer_weights_equal_repeated_rows():
    X, y = linear_data(n=60)
    times = np.random.default_rng(0).integers(1, 4, 60)
    weighted = Ridge.fit(X, y, sample_weight=times)

    mean = np.repeat(X, times, axis=0).mean(axis=0)

    assert np.allclose(weighted.mean, mean)
    assert weighted.intercept == pytest.approx(np.repeat(y, times).mean())


def test_constant_columns_are_harmless():
    X, y = linear_data()
    constant = np.full((len(X), 2), [0.1, 1e6])

    widened = Ridge.fit(np.hstack([X, constant]).astype(np.float32), y)

    assert np.allclose(widened.coefficients[-2:], 0)
    assert np.allclose(widened.coefficients[:-2], Ridge.fit(X.astype(np.float32), y).coefficients)


def test_the_unit_of_a_feature_does_not_matter():
    X, y = linear_data()

    assert np.allclose(Ridge.fit(X, y).predict(X), Ridge.fit(X * 1000, y).predict(X * 1000))


def test_fewer_rows_than_features_still_predicts():
    X, y = linear_data(n=12, p=100)

    assert np.isfinite(Ridge.fit(X, y).predict(X)).all()


def test_a_missing_feature_is_refused_with_its_place():
    X, y = linear_data()
    X[3, 2] = np.nan

    with pytest.raises(ValueError, match="feature 2 of row 3 is nan"):
        Ridge.fit(X, y)


def test_another_number_of_features_is_refused():
    X, y = linear_data()

    with pytest.raises(ValueError, match="found 7 features; expected 8"):
        Ridge.fit(X, y).predict(X[:, :7])


def test_out_of_fold_scores_do_not_depend_on_the_rows_own_label():
    X, y = linear_data(n=40)
    fold = np.arange(40) % 4
    changed = y.copy()
    changed[fold == 2] += 5

    before, after = out_of_fold(X, y, fold), out_of_fold(X, changed, fold)

    assert np.array_equal(before[fold == 2], after[fold == 2])
    assert not np.allclose(before[fold != 2], after[fold != 2])
