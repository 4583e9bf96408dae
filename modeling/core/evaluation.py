"""Honest predictions for every track of a dataset, and what they are worth."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modeling.core import metrics
from modeling.core.annotations import Annotations
from modeling.core.dataset import Dataset, evaluation_slice, grouped_stratified_folds
from modeling.core.decisions import round_to_level
from modeling.core.estimates import Estimate, mean, resampled_means
from modeling.core.intervals import coverage
from modeling.core.metrics import Floats, Levels
from modeling.core.recipes import RECIPES, Recipe

SLICE_FOLD = -1

INTERVAL_COVERAGE = 0.9
INTERVAL_OF_ERRORS = 0.95
# Rows that are predicted at a time: models make float64 copies of what they are asked.
CHUNK_ROWS = 4_000

RecipeFactory = Callable[[], Recipe]
OnProgress = Callable[[float, str], None]
OnFoldModel = Callable[[Recipe, NDArray[np.intp]], None]


class CannotLearn(ValueError):
    """A recipe refuses the tracks that are left to learn from; the message says why."""


class Leak(RuntimeError):
    """Something that is to be predicted is among what was to be learnt from: a mistake of whoever made the rows."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of some tracks, all (n_tracks,): score, level, and the interval that holds nine labels of ten."""

    score: Floats
    level: Levels
    lower: Floats
    upper: Floats

    @classmethod
    def none(cls, n_tracks: int) -> "Predictions":
        """Room for predictions."""
        score, lower, upper = np.full((3, n_tracks), np.nan)
        return cls(score, np.zeros(n_tracks, np.int64), lower, upper)

    def put(self, rows: NDArray[Any], found: "Predictions") -> None:
        """Write those of some tracks at their positions."""
        for name, values in vars(found).items():
            getattr(self, name)[rows] = values

    def take(self, rows: NDArray[Any]) -> "Predictions":
        """Those at these positions, or where a mask is true."""
        return Predictions(*(values[rows] for values in vars(self).values()))


def predictions_of(model: Recipe, X: NDArray[np.float32], rows: NDArray[np.intp] | None = None) -> Predictions:
    """What a fitted model says of these rows of X (none given: all), a chunk at a time."""
    asked = np.arange(len(X)) if rows is None else rows
    found = Predictions.none(len(asked))
    for start in range(0, len(asked), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        features = X[asked[chunk]]
        interval = model.predict_interval(features, INTERVAL_COVERAGE)
        found.put(
            np.arange(len(asked))[chunk], Predictions(model.predict_score(features), model.predict(features), *interval)
        )
    return found


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions by models that did not learn from the track, aligned with the rows; all (n_tracks,).

    Attributes
    ----------
    fold : int
        The fold a development track was held out in; -1 for the tracks of the evaluation slice.
    score, level, lower, upper : float in [1, 10]; the level int 1..10
        Development tracks: out-of-fold, by a model that saw neither the slice nor any track of the fold (so no track
        of the artist). Slice tracks: by one model fitted on all development tracks, which may know the artist by
        other tracks.
    unseen_artist_score, unseen_artist_level
        The same for development tracks. A slice track whose artist has development tracks in fold f is predicted by
        the model that held out fold f, so by one that saw neither the slice nor the artist.
    """

    fold: NDArray[np.int64]
    score: Floats
    level: Levels
    lower: Floats
    upper: Floats
    unseen_artist_score: Floats
    unseen_artist_level: Levels

    @property
    def in_slice(self) -> NDArray[np.bool_]:
        return self.fold == SLICE_FOLD

    @property
    def predictions(self) -> Predictions:
        return Predictions(self.score, self.level, self.lower, self.upper)


def cross_validate(
    recipe: str | RecipeFactory,
    dataset: Dataset,
    *,
    n_folds: int = 5,
    seed: int = 0,
    slice_share: float = 0.2,
    annotations: Annotations | None = None,
    on_progress: OnProgress | None = None,
    on_fold_model: OnFoldModel | None = None,
) -> Evaluation:
    """Predict every track by models that did not learn from it.

    Parameters
    ----------
    recipe : name in RECIPES, or a function that makes an unfitted recipe
    slice_share : float
        Share of the tracks kept out of all cross-validation, by `in_evaluation_slice`; 0 for none.
    annotations : Annotations, optional
        Of the dataset's tracks, for recipes that learn people apart.
    on_progress : function of (share done 0..1, message), optional
        Called before each fit, and with 1.0 at the end; may raise to stop the work.
    on_fold_model : function of (fitted recipe, rows), optional
        Called with the model of each fold and the development rows that it has not seen. Models are not kept.

    Raises
    ------
    CannotLearn
        If the recipe refuses what is left without a fold or the slice.
    Leak
        If a track is there twice (resampled before the split), or tracks of one artist would be on both sides of one.
    ValueError
        If the recipe's name is unknown, or the development tracks have fewer than 2 groups.
    """
    make_recipe = _factory(recipe, seed) if isinstance(recipe, str) else recipe
    report = on_progress or (lambda share_done, message: None)
    in_slice = evaluation_slice(dataset.uris, share=slice_share)
    development = np.flatnonzero(~in_slice)
    fold = np.full(len(dataset.y), SLICE_FOLD)
    fold[development] = grouped_stratified_folds(
        dataset.y[development], dataset.groups[development], n_folds=n_folds, seed=seed
    )
    artist_fold = _fold_of_artist(dataset.groups, fold)
    _refuse_copies(dataset)

    found, unseen = Predictions.none(len(dataset.y)), Predictions.none(len(dataset.y))
    n_folds = int(fold.max()) + 1
    n_fits = n_folds + int(in_slice.any())
    for held_out in range(n_folds):
        report(held_out / n_fits, f"fold {held_out + 1} of {n_folds}")
        known, rows = np.flatnonzero(~in_slice & (fold != held_out)), np.flatnonzero(artist_fold == held_out)
        _refuse_shared_artists(dataset, known, rows)
        model = _fit(make_recipe(), dataset, known, annotations)
        unseen.put(rows, predictions_of(model, dataset.X, rows))
        if on_fold_model:
            on_fold_model(model, np.flatnonzero(fold == held_out))
    found.put(development, unseen.take(development))

    if in_slice.any():
        report(n_folds / n_fits, "evaluation slice")
        rows = np.flatnonzero(in_slice)
        model = _fit(make_recipe(), dataset, development, annotations)
        found.put(rows, predictions_of(model, dataset.X, rows))
        unknown = in_slice & (artist_fold == SLICE_FOLD)
        unseen.put(unknown, found.take(unknown))
    report(1.0, "done")
    return Evaluation(fold, **vars(found), unseen_artist_score=unseen.score, unseen_artist_level=unseen.level)


def summary(
    y: ArrayLike, level: ArrayLike, *, groups: ArrayLike | None = None, seed: int = 0, n_resamples: int = 1000
) -> dict[str, Any]:
    """The metrics of one set of predictions, ready for JSON.

    Parameters
    ----------
    y : shape (n_tracks,), float
        Labels; those between levels count as the level they round to (half up).
    level : shape (n_tracks,), int
        Predicted levels.
    groups : shape (n_tracks,), optional
        Artists, whose tracks err together: intervals are of other artists.

    Returns
    -------
    dict
        `n`; `macro_mae` and `mae` in levels, with `macro_mae_interval` and `mae_interval` (95 %, [low, high]);
        `accuracy`, `within_1`, `within_2` as shares; `by_level` rows; `confusion_matrix`, 10 x 10.
    """
    truth = round_to_level(y)

    def interval(strata: Levels) -> list[float]:
        rng = np.random.default_rng(seed)
        means = resampled_means(np.abs(np.asarray(level) - truth), strata, groups, rng=rng, n=n_resamples)
        return np.quantile(means, [(1 - INTERVAL_OF_ERRORS) / 2, (1 + INTERVAL_OF_ERRORS) / 2]).tolist()

    return {
        "n": len(truth),
        "macro_mae": metrics.macro_mae(truth, level),
        "mae": metrics.mae(truth, level),
        "macro_mae_interval": interval(truth),
        "mae_interval": interval(np.zeros_like(truth)),
        "accuracy": metrics.accuracy_within(truth, level, 0),
        "within_1": metrics.accuracy_within(truth, level, 1),
        "within_2": metrics.accuracy_within(truth, level, 2),
        "by_level": [asdict(row) for row in metrics.by_level(truth, level)],
        "confusion_matrix": metrics.confusion_matrix(truth, level).tolist(),
    }


def held_out_metrics(y: ArrayLike, found: Predictions, *, groups: ArrayLike | None = None) -> dict[str, Any]:
    """`summary`, with `coverage` and `interval_width` of the intervals, of all tracks and in each row of `by_level`.

    The intervals were made from other tracks, so this is what they are worth.
    """
    truth = round_to_level(y)
    metrics_of_all = summary(truth, found.level, groups=groups) | _interval_metrics(truth, found)
    metrics_of_all["by_level"] = [
        row | _interval_metrics(truth[truth == row["level"]], found.take(truth == row["level"]))
        for row in metrics_of_all["by_level"]
    ]
    return metrics_of_all


def by_annotator(labels: Annotations, level: ArrayLike, *, groups: ArrayLike) -> list[dict[str, Any]]:
    """How far predictions are from what each person said of the same tracks, most labels first; ready for JSON.

    Parameters
    ----------
    labels : Annotations
        Of the tracks that were predicted, numbered as these.
    level, groups : shape (n_tracks,)
        Predicted levels, and artists, whose tracks err together.

    Returns
    -------
    list of dict
        `annotator`; `n` labels; `mae` in levels and its standard error `mae_se`; `bias`, predicted less said, and `bias_se`.
        Standard errors are None of one label.

    Examples
    --------
    >>> by_annotator(Annotations([0, 1], ["ann", "ann"], [3, 5]), [4, 8], groups=["a", "b"])
    [{'annotator': 'ann', 'n': 2, 'mae': 2.0, 'mae_se': 1.0, 'bias': 2.0, 'bias_se': 1.0}]
    """
    off = np.asarray(level)[labels.track] - labels.level
    artist = np.asarray(groups)[labels.track]
    people, person, n = np.unique(labels.annotator, return_inverse=True, return_counts=True)
    rows = np.split(np.argsort(person, kind="stable"), np.cumsum(n)[:-1])
    found = [
        {"annotator": str(name), "n": len(own)}
        | _figure("mae", mean(np.abs(off[own]), artist[own]))
        | _figure("bias", mean(off[own], artist[own]))
        for name, own in zip(people, rows, strict=True)
        if len(own)
    ]
    return sorted(found, key=lambda row: (-row["n"], row["annotator"]))


def _figure(name: str, found: Estimate) -> dict[str, float | None]:
    return {name: found.value, f"{name}_se": found.se if np.isfinite(found.se) else None}


def _interval_metrics(truth: Levels, found: Predictions) -> dict[str, float]:
    covered = coverage(truth, found.lower, found.upper)
    return {"coverage": covered.share, "interval_width": covered.mean_width}


def _factory(name: str, seed: int) -> RecipeFactory:
    if name not in RECIPES:
        raise ValueError(f"found recipe {name!r}; expected one of {sorted(RECIPES)}")
    return lambda: RECIPES[name](seed=seed)


def _fold_of_artist(groups: NDArray[np.str_], fold: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row the fold that holds the development tracks of its group; -1 where the group has none."""
    unique_groups, group = np.unique(groups, return_inverse=True)
    fold_of_group = np.full(len(unique_groups), SLICE_FOLD)
    np.maximum.at(fold_of_group, group, fold)
    return fold_of_group[group]


def _refuse_copies(dataset: Dataset) -> None:
    """A copied row is predicted by models that know it, however the folds are cut."""
    uris, n_rows = np.unique(dataset.uris, return_counts=True)
    if (n_rows > 1).any():
        raise Leak(f"{(n_rows > 1).sum()} tracks are there twice, {uris[n_rows > 1][0]} first: resample inside folds")


def _refuse_shared_artists(dataset: Dataset, known: NDArray[np.intp], rows: NDArray[np.intp]) -> None:
    shared = np.intersect1d(dataset.groups[known], dataset.groups[rows])
    if shared.size:
        raise Leak(f"{shared.size} artists are on both sides of a fold, {shared[0]} first: hold out whole artists")


def _fit(recipe: Recipe, dataset: Dataset, rows: NDArray[np.intp], annotations: Annotations | None) -> Recipe:
    theirs = None if annotations is None else annotations.of_tracks(rows)
    try:
        return recipe.fit(dataset.X[rows], dataset.y[rows], groups=dataset.groups[rows], annotations=theirs)
    except ValueError as refusal:
        raise CannotLearn(f"{recipe.name} cannot learn from {len(rows)} tracks: {refusal}") from refusal
