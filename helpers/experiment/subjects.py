"""What an experiment hands out: models and images, known by name at once, made when first used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras
import numpy as np

from helpers.evaluation.model_id import ModelId
from helpers.experiment.pieces import Piece


@dataclass(frozen=True, eq=False)
class Subject:
    """A model under test.

    Attributes
    ----------
    id
        Which model it is.
    identity
        A text that no other model has.
    pieces
        What it consists of: one trained model, or an ensemble's members; nothing for a reader's own.
    spec
        How to ask an experiment for it, in plain data (:meth:`Experiment.subject`).
    load
        Gives the model and what its training told.
    """

    id: ModelId
    identity: str
    pieces: tuple[Piece, ...] = field(repr=False)
    spec: Mapping[str, Any] = field(repr=False)
    load: Callable[[], tuple[keras.Model, dict[str, Any]]] = field(repr=False)

    @cached_property
    def _loaded(self) -> tuple[keras.Model, dict[str, Any]]:
        return self.load()

    @property
    def model(self) -> keras.Model:
        return self._loaded[0]

    @property
    def history(self) -> dict[str, list[float]]:
        return self._loaded[1]

    def __str__(self) -> str:
        return str(self.id)


@dataclass(frozen=True, eq=False)
class Images:
    """Test images, perhaps attacked.

    Attributes
    ----------
    attack
        Name of the attack, ``none`` for clean images.
    made_on
        The model that the attack saw; None for clean images and noise.
    x, y
        The clean images and their labels.
    parameters
        The attack's settings.
    identity, pieces, spec, load
        As of :class:`Subject`; `load` gives ``x_adv`` and ``success``.
    """

    attack: str
    made_on: ModelId | None
    x: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    parameters: dict[str, Any]
    identity: str
    pieces: tuple[Piece, ...] = field(repr=False)
    spec: Mapping[str, Any] = field(repr=False)
    load: Callable[[], Mapping[str, np.ndarray]] = field(repr=False)

    @cached_property
    def _loaded(self) -> Mapping[str, np.ndarray]:
        return self.load()

    @property
    def x_adv(self) -> np.ndarray:
        """What a model is shown; equals `x` for clean images and in failed rows."""
        return self._loaded["x_adv"]

    @property
    def success(self) -> np.ndarray:
        """bool (n,): false where an unbounded attack found no adversarial image."""
        return self._loaded["success"]

    @property
    def broken_by(self) -> np.ndarray | None:
        """Of several attacks in turn: which broke each (:class:`helpers.attacks.robust.Robust`)."""
        return self._loaded.get("broken_by")


def pieces_of(wanted: Iterable, logits: Callable[[Subject, Images], Piece]) -> Iterator[Piece]:
    """Give the pieces that models and images consist of, or that stand by themselves in `wanted`.

    `logits` gives the piece that a pair ``(subject, images)`` stands for.
    """
    for one in wanted:
        if isinstance(one, Piece):
            yield one
        elif isinstance(one, Subject | Images):
            yield from one.pieces
        elif isinstance(one, tuple) and [type(part) for part in one] == [Subject, Images]:
            yield logits(*one)
        else:  # a list of them, or a dictionary
            yield from pieces_of(one.values() if isinstance(one, Mapping) else one, logits)
