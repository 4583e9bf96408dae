import json
from dataclasses import dataclass, fields

import pytest

from modeling.core.decisions import DECISIONS
from modeling.core.lab import catalogue
from modeling.core.lab.catalogue import EXPERIMENTS, Final, Resampling
from modeling.core.lab.experiment import Experiment, option, parsed_options
from modeling.core.lab.experiments import ANSWERS
from modeling.core.recipes import RECIPES
from modeling.core.resampling import RESAMPLERS


@dataclass(kw_only=True)
class Every(Experiment):
    name = "every"
    title = question = "Every kind of option"

    share: float = option(0.5, "A share.", low=0, high=1)
    recipes: tuple[str, ...] = option(("gp",), "Names.", choices=("gp", "svr"))


def test_the_catalogue_knows_the_names_of_what_there_is():
    assert set(catalogue.RECIPE_NAMES) == set(RECIPES)
    assert set(catalogue.RESAMPLER_NAMES) == set(RESAMPLERS)
    assert set(catalogue.DECISION_NAMES) == set(DECISIONS)
    assert set(EXPERIMENTS) == set(ANSWERS)


@pytest.mark.parametrize("kind", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_an_experiment_asks_the_same_again_from_its_options_as_json_holds_them(kind):
    asked = kind(seed=3)

    assert kind(**json.loads(json.dumps(asked.options))) == asked
    assert all(each.metadata["help"] for each in fields(kind))
    assert kind.title
    assert kind.question.endswith("?")


def test_options_are_parsed_by_the_type_of_their_default():
    texts = {"n_folds": " 5 ", "by_artist": "no", "share": "0.25", "recipes": "gp, svr", "sets": ""}

    options = parsed_options(Every, texts)

    assert options == {"n_folds": 5, "by_artist": False, "share": 0.25, "recipes": ("gp", "svr"), "sets": ()}
    assert Every(**options).recipes == ("gp", "svr")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"n_fold": "5"}, "found option 'n_fold'; every has seed, n_folds, "),
        ({"n_folds": "five"}, "found n_folds 'five'; expected a whole number"),
        ({"n_folds": "2.5"}, "found n_folds '2.5'; expected a whole number"),
        ({"by_artist": "maybe"}, "found by_artist 'maybe'; expected yes or no"),
        ({"share": "half"}, "found share 'half'; expected a number"),
    ],
)
def test_a_text_that_is_no_option_is_refused_with_what_was_expected(texts, message):
    with pytest.raises(ValueError, match=message):
        parsed_options(Every, texts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_folds": 1}, "found n_folds 1; expected 2 to 20"),
        ({"n_folds": True}, "found n_folds True; expected a int"),
        ({"share": 2.0}, "found share 2.0; expected 0 to 1"),
        ({"share": float("nan")}, "found share nan; expected 0 to 1"),
        ({"recipes": ("gp", "forest")}, "found recipes 'forest'; expected one of gp, svr"),
        ({"recipes": ()}, "found no recipes; expected some of gp, svr"),
        ({"recipes": "gp"}, "found recipes 'gp'; expected a tuple"),
        ({"sets": (3,)}, "found sets 3; expected a name"),
    ],
)
def test_an_option_out_of_its_range_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Every(**options)


def test_a_whole_number_is_a_number():
    assert Every(share=1).share == 1


def test_defaults_are_the_thesis_s():
    assert (Resampling().recipe, Resampling().decision, Resampling().n_folds) == ("xgboost", "lowest_mae", 4)
    assert Final().recipes == ("baseline", "xgboost", "network", "auto")
