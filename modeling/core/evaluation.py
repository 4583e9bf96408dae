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
from modeling.core.metrics import Floats, Levels
from modeling.core.recipes import RECIPES, Recipe

SLICE_FOLD = -1

RecipeFactory = Callable[[], Recipe]
OnProgress = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions by models that did not learn from the track, aligned with the rows; all (n_tracks,).

    Attributes
    ----------
    fold : int
        The fold a development track was held out in; -1 for the tracks of the evaluation slice.
    score, level : float in [1, 10] and int 1..10
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
    unseen_artist_score: Floats
    unseen_artist_level: Levels

    @property
    def in_slice(self) -> NDArray[np.bool_]:
        return self.fold == SLICE_FOLD


def cross_validate(
    recipe: str | RecipeFactory,
    dataset: Dataset,
    *,
    n_folds: int = 5,
    seed: int = 0,
    slice_share: float = 0.2,
    annotations: Annotations | None = None,
    on_progress: OnProgress | None = None,
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

    Raises
    ------
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

    n_tracks = len(dataset.y)
    score, unseen_score = np.full(n_tracks, np.nan), np.full(n_tracks, np.nan)
    level, unseen_level = np.zeros(n_tracks, np.int64), np.zeros(n_tracks, np.int64)
    n_folds = int(fold.max()) + 1
    n_fits = n_folds + int(in_slice.any())
    for held_out in range(n_folds):
        report(held_out / n_fits, f"fold {held_out + 1} of {n_folds}")
        model = _fit(make_recipe(), dataset, np.flatnonzero(~in_slice & (fold != held_out)), annotations)
        rows = np.flatnonzero(artist_fold == held_out)
        unseen_score[rows], unseen_level[rows] = model.predict_score(dataset.X[rows]), model.predict(dataset.X[rows])
    score[development], level[development] = unseen_score[development], unseen_level[development]

    if in_slice.any():
        report(n_folds / n_fits, "evaluation slice")
        model, rows = _fit(make_recipe(), dataset, development, annotations), np.flatnonzero(in_slice)
        score[rows], level[rows] = model.predict_score(dataset.X[rows]), model.predict(dataset.X[rows])
        unknown = in_slice & (artist_fold == SLICE_FOLD)
        unseen_score[unknown], unseen_level[unknown] = score[unknown], level[unknown]
    report(1.0, "done")
    return Evaluation(fold, score, level, unseen_score, unseen_level)


def summary(y: ArrayLike, level: ArrayLike, *, seed: int = 0, n_resamples: int = 1000) -> dict[str, Any]:
    """The metrics of one set of predictions, ready for JSON.

    Parameters
    ----------
    y : shape (n_tracks,), float
        Labels; those between levels count as the level they round to (half up).
    level : shape (n_tracks,), int
        Predicted levels.

    Returns
    -------
    dict
        `n`; `macro_mae` and `mae` in levels, with `macro_mae_interval` and `mae_interval` (95 %, [low, high]);
        `accuracy`, `within_1`, `within_2` as shares; `by_level` rows; `confusion_matrix`, 10 x 10.
    """
    truth = round_to_level(y)
    intervals = {
        f"{statistic.__name__}_interval": list(
            metrics.bootstrap_interval(statistic, truth, level, seed=seed, n_resamples=n_resamples)
        )
        for statistic in (metrics.macro_mae, metrics.mae)
    }
    return {
        "n": len(truth),
        "macro_mae": metrics.macro_mae(truth, level),
        "mae": metrics.mae(truth, level),
        **intervals,
        "accuracy": metrics.accuracy_within(truth, level, 0),
        "within_1": metrics.accuracy_within(truth, level, 1),
        "within_2": metrics.accuracy_within(truth, level, 2),
        "by_level": [asdict(row) for row in metrics.by_level(truth, level)],
        "confusion_matrix": metrics.confusion_matrix(truth, level).tolist(),
    }


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


def _fit(recipe: Recipe, dataset: Dataset, rows: NDArray[np.intp], annotations: Annotations | None) -> Recipe:
    theirs = None if annotations is None else annotations.of_tracks(rows)
    return recipe.fit(dataset.X[rows], dataset.y[rows], groups=dataset.groups[rows], annotations=theirs)
