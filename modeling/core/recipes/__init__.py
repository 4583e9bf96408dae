"""Ways to learn levels, by name. A new recipe is one file and one line in `single`, where it is one model, or here."""

from modeling.core.recipes.annotator_ensemble import AnnotatorEnsemble
from modeling.core.recipes.auto import Auto
from modeling.core.recipes.base import Recipe
from modeling.core.recipes.crnn import CRNN
from modeling.core.recipes.mean_of_models import MeanOfModels
from modeling.core.recipes.single import SINGLE_RECIPES

RECIPES: dict[str, type[Recipe]] = {
    **SINGLE_RECIPES,
    **{recipe.name: recipe for recipe in (MeanOfModels, AnnotatorEnsemble, CRNN, Auto)},
}

__all__ = ["RECIPES", "Recipe"]
