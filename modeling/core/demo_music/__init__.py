"""A small library of generated music and simulated labels of it, for demonstrations and for tests of the whole loop.

No sample, preset or melody comes from anywhere: everything is computed from a seed. Nobody has listened to it, so its
levels are intentions and its annotations simulations: good for running the product, not for judging a model.
"""

from modeling.core.demo_music.annotators import SimulatedAnnotations, simulated_annotations
from modeling.core.demo_music.answers import SimulatedAnswer, simulated_answers
from modeling.core.demo_music.library import DemoTrack, plan_library, write_library

__all__ = [
    "DemoTrack",
    "SimulatedAnnotations",
    "SimulatedAnswer",
    "plan_library",
    "simulated_annotations",
    "simulated_answers",
    "write_library",
]
