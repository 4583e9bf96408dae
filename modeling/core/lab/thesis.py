"""The thesis's figures, on its own 42,754 tracks, to stand beside ours.

Source: Nordander and Pettersson, "Classifying energy levels in modern music using machine learning techniques", Lund
University, 2018. All errors in levels.
"""

from typing import NamedTuple

# Table 3.4.
LEVEL_COUNTS = {1: 310, 2: 1056, 3: 2521, 4: 5359, 5: 8671, 6: 10983, 7: 9393, 8: 3329, 9: 976, 10: 156}
# Table 3.5: macro-MAE of XGBoost, all sets.
RESAMPLING = {"none": 1.16, "random_over": 0.97, "random_under": 1.02, "smote": 0.98, "smote_tomek": 0.98}
# Table 3.6: macro-MAE of XGBoost, random over-sampling.
FEATURE_SETS = {
    frozenset({"signal"}): 1.03,
    frozenset({"spotify"}): 1.04,
    frozenset({"transfer"}): 1.03,
    frozenset({"signal", "spotify"}): 0.99,
    frozenset({"signal", "transfer"}): 0.98,
    frozenset({"spotify", "transfer"}): 0.98,
    frozenset({"signal", "spotify", "transfer"}): 0.98,
}


class OwnAndRest(NamedTuple):
    """Macro-MAE on an annotator's own tracks (cross-validated) and on everybody else's."""

    own: float | None
    rest: float


# Table 3.7, by the first letters of the annotator's id.
ANNOTATORS = {
    "th": OwnAndRest(0.72, 1.16),
    "RZ": OwnAndRest(0.88, 1.28),
    "9j": OwnAndRest(0.99, 1.12),
    "8l": OwnAndRest(0.90, 1.15),
    "ensemble": OwnAndRest(None, 1.26),
}
# Table 3.9: the best and the worst macro-MAE of 31 trials.
SEARCH_BEST, SEARCH_WORST, SEARCH_TRIALS = 0.816, 0.932, 31
# Table 3.10: macro-MAE of the network by resampling and SMOTE's neighbours.
NETWORK_RESAMPLING: dict[tuple[str, int | None], float] = {
    ("random_over", None): 0.843,
    **{("smote", k): error for k, error in zip((3, 4, 5, 6), (0.830, 0.832, 0.858, 0.836), strict=True)},
    **{("smote_tomek", k): error for k, error in zip((3, 4, 5, 6), (0.831, 0.849, 0.830, 0.855), strict=True)},
}


class TestFigures(NamedTuple):
    """Macro-MAE and MAE on the thesis's test set."""

    macro_mae: float
    mae: float


# Table 4.1.
FINAL = {"baseline": TestFigures(1.30, 0.89), "xgboost": TestFigures(0.88, 0.89), "network": TestFigures(0.84, 0.93)}


class LevelFigures(NamedTuple):
    """The network's MAE, accuracy, accuracy within 1 and 2, and number of test tracks of one level."""

    mae: float
    accuracy: float
    within_1: float
    within_2: float
    n: int


# Table 4.2.
NETWORK_BY_LEVEL = {
    1: LevelFigures(0.19, 0.81, 1.0, 1.0, 59),
    2: LevelFigures(0.49, 0.53, 0.98, 1.0, 217),
    3: LevelFigures(0.77, 0.42, 0.86, 0.96, 509),
    4: LevelFigures(0.99, 0.33, 0.77, 0.93, 1057),
    5: LevelFigures(1.03, 0.30, 0.76, 0.94, 1755),
    6: LevelFigures(0.93, 0.34, 0.78, 0.96, 2225),
    7: LevelFigures(0.91, 0.34, 0.80, 0.95, 1857),
    8: LevelFigures(0.89, 0.36, 0.80, 0.96, 638),
    9: LevelFigures(1.13, 0.22, 0.75, 0.93, 204),
    10: LevelFigures(1.10, 0.23, 0.73, 0.93, 30),
}


class GenreFigures(NamedTuple):
    """The network's MAE and accuracy within 1 on one genre of the test tracks."""

    mae: float
    within_1: float


# Table 4.3, less two genres with three tracks and one.
NETWORK_BY_GENRE = {
    "african": GenreFigures(0.74, 0.85),
    "ambient": GenreFigures(0.76, 0.87),
    "bass": GenreFigures(1.02, 0.78),
    "blues": GenreFigures(0.86, 0.79),
    "christian": GenreFigures(1.23, 0.63),
    "classical": GenreFigures(0.76, 0.85),
    "country": GenreFigures(0.98, 0.78),
    "dance/edm": GenreFigures(0.92, 0.80),
    "dancehall/reggaeton": GenreFigures(0.86, 0.83),
    "disco": GenreFigures(0.75, 0.87),
    "experimental": GenreFigures(1.05, 0.76),
    "folk": GenreFigures(1.00, 0.78),
    "funk": GenreFigures(0.71, 0.87),
    "hiphop": GenreFigures(0.95, 0.78),
    "house": GenreFigures(0.86, 0.82),
    "indie": GenreFigures(1.06, 0.73),
    "jazz": GenreFigures(0.69, 0.88),
    "lounge": GenreFigures(0.92, 0.80),
    "mariachi": GenreFigures(0.80, 0.80),
    "other": GenreFigures(0.99, 0.74),
    "pop": GenreFigures(0.96, 0.78),
    "r&b": GenreFigures(0.82, 0.82),
    "reggae/dub": GenreFigures(0.91, 0.83),
    "rock": GenreFigures(1.17, 0.69),
    "salsa": GenreFigures(0.64, 0.91),
    "samba/bossa nova": GenreFigures(0.76, 0.88),
    "singer-songwriter": GenreFigures(0.98, 0.79),
    "soul": GenreFigures(0.71, 0.87),
    "techno": GenreFigures(0.96, 0.78),
}
