"""Ways to learn levels, by name. A new recipe is one file and one line here."""

from modeling.core.recipes.base import Recipe
from modeling.core.recipes.ridge_thresholds import RidgeThresholds

RECIPES: dict[str, type[Recipe]] = {recipe.name: recipe for recipe in (RidgeThresholds,)}

__all__ = ["RECIPES", "Recipe"]
