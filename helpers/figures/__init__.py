"""Figures, tables and sentences: records or arrays in, matplotlib figures, data frames and text out.

Nothing here computes a result. Records come in lists, or grouped: a mapping of names (attacks' names in
the table, models' identities, or words) to lists, as :func:`grouped` makes it. What draws a network's
layers is loaded when asked for, since TensorFlow takes seconds.

=================================================== =====================================================
``curves``, ``members_figure``                      accuracy against a parameter, a line for each group
``grouped_bars``, ``matrix``, ``heat_map``          accuracy of each group under each attack
``costs``                                           accuracy against what training took
``fit_map``, ``subset_curves``                      settings near the report's numbers; more members
``learning_curves``, ``epochs_figure``              trainings, retrainings
``confusion``, ``distortions``                      mistakes, sizes of perturbations
``image_grid``, ``before_and_after``, ``gallery``   pictures
``ensemble_diagram``, ``bagging_diagram``           Figures 1 and 2
``inception_diagram``, ``architecture_table``       Figure 3, Tables 2 and 3
``group_table``, ``gain_table``, ``variant_table``  accuracies, gains, ways to train an ensemble
``size_table``                                      perturbations
``class_table``, ``data_table``                     Table 1, the data sets
``repeat_table``, ``summary_table``                 several trainings; every model under every attack
``verdict_table``, ``test_table``, ``slip_table``   the findings
``sanity_table``                                    signs of a broken evaluation
``said``, ``gains``, ``took``, ``percent``          sentences
=================================================== =====================================================
"""

# ruff: noqa: F401  # what notebooks take from here

from importlib import import_module
from typing import Any

from helpers.figures.accuracies import costs, curves, heat_map, matrix, members_figure
from helpers.figures.bars import grouped_bars
from helpers.figures.diagrams import bagging_diagram, ensemble_diagram
from helpers.figures.fit import fit_map, subset_curves
from helpers.figures.images import before_and_after, gallery, image_grid, magnification
from helpers.figures.looks import called, grouped
from helpers.figures.show import show_headlines
from helpers.figures.tables import (
    class_table,
    data_table,
    gain_table,
    group_table,
    repeat_table,
    size_table,
    summary_table,
    variant_table,
)
from helpers.figures.training import confusion, distortions, epochs_figure, learning_curves
from helpers.figures.verdict_tables import (
    change_table,
    literature_table,
    power_table,
    primary_table,
    sanity_table,
    slip_table,
    test_table,
    verdict_table,
)
from helpers.figures.words import gains, percent, said, took

NEEDS_KERAS = {
    "architecture_table": "layers",
    "inception_blocks": "inception",
    "inception_diagram": "inception",
}


def __getattr__(name: str) -> Any:
    if name in NEEDS_KERAS:
        return getattr(import_module(f"{__name__}.{NEEDS_KERAS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
