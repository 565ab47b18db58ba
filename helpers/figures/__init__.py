"""Figures: records or arrays in, matplotlib figures out. Nothing here computes a result."""

from helpers.figures.accuracies import costs, curves, grouped_bars, heat_map, matrix, members_figure
from helpers.figures.diagrams import bagging_diagram, ensemble_diagram
from helpers.figures.images import before_and_after, gallery, image_grid, magnification
from helpers.figures.inception import inception_blocks, inception_diagram
from helpers.figures.looks import (
    ATTACK_NAMES,
    ATTACKS,
    MODEL_NAMES,
    MODELS,
    attacks_of,
    looks,
    name_of,
    percentages,
    style,
    styled,
)
from helpers.figures.training import confusion, distortions, epochs_figure, learning_curves

__all__ = [
    "ATTACKS",
    "ATTACK_NAMES",
    "MODELS",
    "MODEL_NAMES",
    "attacks_of",
    "bagging_diagram",
    "before_and_after",
    "confusion",
    "costs",
    "curves",
    "distortions",
    "ensemble_diagram",
    "epochs_figure",
    "gallery",
    "grouped_bars",
    "heat_map",
    "image_grid",
    "inception_blocks",
    "inception_diagram",
    "learning_curves",
    "looks",
    "magnification",
    "matrix",
    "members_figure",
    "name_of",
    "percentages",
    "style",
    "styled",
]
