"""Every experiment there is: what it asks, and its options. How each is answered lies in `experiments`."""

from dataclasses import dataclass

from modeling.core.acquisition import STRATEGIES
from modeling.core.lab.experiment import Experiment, option

# By name; tests hold them to what the recipes and resamplers are.
RECIPE_NAMES = (
    *("baseline", "ridge_thresholds", "ordinal_logit", "gp", "svr", "xgboost", "xgboost_classifier", "network", "crnn"),
    *("mean_of_models", "annotator_ensemble", "auto"),
)
RESAMPLER_NAMES = ("none", "random_over", "random_under", "smote", "smote_tomek")
# All but the one that is compared with, and the one that weighs second opinions and is played back with these.
NEW_TRACK_STRATEGIES = tuple(name for name in STRATEGIES if name not in {"random", "relabel_or_new"})
DECISION_NAMES = ("lowest_macro_mae", "lowest_mae")


def recipe_option(default: str) -> str:
    return option(default, "What learns.", choices=RECIPE_NAMES)


def decision_option(default: str) -> str:
    return option(default, "How a score becomes a level. The thesis rounds: lowest_mae.", choices=DECISION_NAMES)


@dataclass(kw_only=True)
class DataUnderstanding(Experiment):
    name = "data_understanding"
    title = "Understanding the data"
    question = "How many tracks are there of each level and genre, how does each annotator use the scale, and what lacks audio?"
    thesis = "tables 3.1 and 3.4, figures 3.1 and 3.2"
    idle = ("seed", "n_folds", "n_repeats", "by_artist", "sets")


@dataclass(kw_only=True)
class Resampling(Experiment):
    name = "resampling"
    title = "Resampling"
    question = "Does balancing the levels of the training tracks lower the error, and which way does it best?"
    thesis = "table 3.5, figure 3.3"

    recipe: str = recipe_option("xgboost")
    decision: str = decision_option("lowest_mae")


@dataclass(kw_only=True)
class ClassDependence(Experiment):
    name = "class_dependence"
    title = "Regression or classification"
    question = "Does a model that knows levels to be ordered err less far than one that takes them for ten names?"
    thesis = "figure 3.4"

    resampling: str = option("random_over", "Done to training tracks.", choices=RESAMPLER_NAMES)


@dataclass(kw_only=True)
class FeatureSets(Experiment):
    name = "feature_sets"
    title = "Feature sets"
    question = "Which features are worth computing: each set alone, and all combinations?"
    thesis = "table 3.6, figure 3.5"

    recipe: str = recipe_option("xgboost")
    decision: str = decision_option("lowest_mae")
    resampling: str = option("random_over", "Done to training tracks.", choices=RESAMPLER_NAMES)


@dataclass(kw_only=True)
class Annotators(Experiment):
    name = "annotators"
    title = "One model an annotator"
    question = "Does a model of one annotator's labels do better on these, and how does it do on everybody else's?"
    thesis = "table 3.7"

    recipe: str = recipe_option("xgboost")
    decision: str = decision_option("lowest_mae")
    n_annotators: int = option(4, "How many of those with the most labels.", low=1, high=20)


@dataclass(kw_only=True)
class AnnotatorClusters(Experiment):
    name = "annotator_clusters"
    title = "One model a cluster of annotators"
    question = "Do annotators who label alike make a model that does better on their labels than one of everybody's?"
    thesis = "section 6.2"

    recipe: str = recipe_option("ridge_thresholds")


@dataclass(kw_only=True)
class WithoutAnnotator(Experiment):
    name = "without_annotator"
    title = "Without an annotator"
    question = "Does leaving out an annotator's labels lower the error, and does it beat freeing all labels of biases?"
    thesis = "section 5"

    recipe: str = recipe_option("ridge_thresholds")
    annotator: str = option(
        "", "Who is left out. Nobody named: several, one after the other, and all of them together."
    )
    tried_first: str = option(
        "most_labels", "Who is tried where nobody is named.", choices=("most_labels", "most_biased")
    )
    n_annotators: int = option(3, "How many are tried where nobody is named.", low=1, high=20)


@dataclass(kw_only=True)
class Search(Experiment):
    name = "search"
    title = "Search for a better network"
    question = "Which layers, neurons, batch size and learning rate does the thesis's network do best with?"
    thesis = "tables 3.8 and 3.9"

    n_trials: int = option(31, "How many settings are tried.", low=2, high=1000)
    n_epochs: int = option(100, "Of each network.", low=1, high=1000)


@dataclass(kw_only=True)
class NetworkResampling(Experiment):
    name = "network_resampling"
    title = "Resampling for the network"
    question = "Which resampling, with how many neighbours, suits the thesis's network?"
    thesis = "table 3.10"

    n_epochs: int = option(100, "Of each network.", low=1, high=1000)
    target: str = option("raw", "Labels in levels, as in the thesis, or standardised.", choices=("raw", "standardised"))
    least_neighbors: int = option(3, "The fewest neighbours that SMOTE is tried with.", low=1, high=50)
    most_neighbors: int = option(6, "The most.", low=1, high=50)


@dataclass(kw_only=True)
class Final(Experiment):
    name = "final"
    title = "Final comparison"
    question = "On tracks that nothing was chosen by: how good are baseline, XGBoost, the thesis's network, and what we use now?"
    thesis = "tables 4.1, 4.2 and 4.3, figures 4.1 to 4.3"

    recipes: tuple[str, ...] = option(
        ("baseline", "xgboost", "network", "auto"), "What is compared.", choices=RECIPE_NAMES
    )


@dataclass(kw_only=True)
class Decisions(Experiment):
    name = "decisions"
    title = "From score to level"
    question = "What do cuts placed for the lowest macro-MAE gain over rounding, and what do they cost in MAE?"

    recipes: tuple[str, ...] = option(
        ("ridge_thresholds", "gp", "svr", "xgboost"), "Whose scores.", choices=RECIPE_NAMES
    )


@dataclass(kw_only=True)
class CoarserScale(Experiment):
    name = "coarser_scale"
    title = "A coarser scale"
    question = "How reliable are the predictions when ten levels are read as five, or as three?"
    thesis = "section 6"

    recipe: str = recipe_option("ridge_thresholds")


@dataclass(kw_only=True)
class GenreModels(Experiment):
    name = "genre_models"
    title = "One model a genre"
    question = "Does a model of one genre's tracks beat the common one on that genre?"
    thesis = "section 6"

    recipe: str = recipe_option("ridge_thresholds")
    min_tracks: int = option(50, "Genres with fewer labelled tracks are left out.", low=20, high=100_000)


@dataclass(kw_only=True)
class LearningCurve(Experiment):
    name = "learning_curve"
    title = "Learning curve"
    question = "How much does the error fall with more labels, and what would twice as many bring?"

    n_repeats: int = option(5, "How often, with other folds and tracks. More make the curve smoother.", low=1, high=50)
    recipe: str = recipe_option("ridge_thresholds")
    n_points: int = option(6, "Sizes, each about the same factor larger than the one before.", low=3, high=20)


@dataclass(kw_only=True)
class ActiveLearning(Experiment):
    name = "active_learning"
    title = "Active learning"
    question = "What would have saved labels: had a strategy chosen which tracks to label, how few would have done?"
    idle = ("n_folds",)

    n_repeats: int = option(
        60, "How often, with other artists held out. More make the curves steadier.", low=4, high=100
    )
    recipe: str = recipe_option("ridge_thresholds")
    batch: int = option(20, "Labels between two trainings: a strategy chooses that many at once.", low=1, high=1000)
    strategies: tuple[str, ...] = option(
        NEW_TRACK_STRATEGIES, "What is compared with random.", choices=NEW_TRACK_STRATEGIES
    )
    thin_rare: bool = option(False, "Leave a quarter of the outer levels to choose from, as if these were rarer.")


@dataclass(kw_only=True)
class LabelNoiseCeiling(Experiment):
    name = "label_noise_ceiling"
    title = "How good can it get?"
    question = "Labels disagree: what error would a perfect model still seem to have, and how far is ours from that?"

    recipe: str = recipe_option("ridge_thresholds")


@dataclass(kw_only=True)
class WindowsMaximum(Experiment):
    name = "windows_maximum"
    title = "The most energetic part of a song"
    question = "Does scoring every 30 s window of a whole song and taking the maximum beat scoring its loudest part?"
    thesis = "section 6.2"

    recipe: str = recipe_option("ridge_thresholds")


EXPERIMENTS: dict[str, type[Experiment]] = {
    experiment.name: experiment
    for experiment in (
        DataUnderstanding,
        Resampling,
        ClassDependence,
        FeatureSets,
        Annotators,
        AnnotatorClusters,
        WithoutAnnotator,
        Search,
        NetworkResampling,
        Final,
        Decisions,
        CoarserScale,
        GenreModels,
        LearningCurve,
        ActiveLearning,
        LabelNoiseCeiling,
        WindowsMaximum,
    )
}
