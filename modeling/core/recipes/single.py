"""Recipes that are one model each, by name: what means are taken of, and what races."""

from modeling.core.recipes.baseline import Baseline
from modeling.core.recipes.gp import GaussianProcessRegression
from modeling.core.recipes.network import Network
from modeling.core.recipes.ordinal_logit import OrdinalLogit
from modeling.core.recipes.ridge_thresholds import RidgeThresholds
from modeling.core.recipes.single_model import SingleModelRecipe
from modeling.core.recipes.svr import SupportVectorRegression
from modeling.core.recipes.xgboost import XGBoost
from modeling.core.recipes.xgboost_classifier import XGBoostClassifier

SINGLE_RECIPES: dict[str, type[SingleModelRecipe]] = {
    recipe.name: recipe
    for recipe in (
        Baseline,
        RidgeThresholds,
        OrdinalLogit,
        GaussianProcessRegression,
        SupportVectorRegression,
        XGBoost,
        XGBoostClassifier,
        Network,
    )
}
