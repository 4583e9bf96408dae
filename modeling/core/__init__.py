"""Numerics: audio, features, metrics, recipes, evaluation. No web framework: a script can use it."""
