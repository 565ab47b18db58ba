"""A record: one result, and how records are found among others."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from helpers.evaluation.model_id import FIELDS, ModelId

# Parameters that mark a record as part of a series: its model and attack occur in the main results too.
SERIES = frozenset({"sweep", "rung", "shared"})
# The rung that counts an image as right if no attack of the ladder fools the model with it.
WORST_RUNG = "all of these, worst"
# The same of everything that was tried on a model, whatever it was made on.
FLOOR = "everything tried, worst"

PLACE = ("chapter", "dataset", "quantity", "attack", "seed")  # what every record has
MODELS = ("model", "made_on")  # who was tested, and on which model the attack was made


@dataclass(frozen=True)
class Record:
    """One result.

    Attributes
    ----------
    chapter, dataset
        Where it was measured, and on which data (a data set's name).
    quantity
        What was measured: ``accuracy``, ``distortion``, ``history``, ``count`` ...
    model, attack
        Who was tested (None where no model was), and under what.
    made_on
        The model that the attack was made on; None without attack, for noise, which sees no model, and
        for the worst of several attacks.
    parameters
        Everything else that decides the result; plain JSON values.
    seed
        Seed of the run.
    values
        Named numbers or lists of numbers. An accuracy has ``n``, ``n_correct``, ``accuracy``, ``low``,
        ``high`` (95 % Wilson interval).
    arrays
        Per-image arrays; for an accuracy ``correct``, bool (n,).
    """

    chapter: str
    dataset: str
    quantity: str
    model: ModelId | None = None
    attack: str = ""
    made_on: ModelId | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def identity(self) -> str:
        """What the result is of, without the result."""
        about = {name: getattr(self, name) for name in (*PLACE, "parameters")}
        about |= {name: told_of(getattr(self, name)) for name in MODELS}
        return json.dumps(about, sort_keys=True)

    @property
    def white_box(self) -> bool:
        """Whether the attack was made on the tested model itself, through whichever of its means."""
        if self.model is None or self.made_on is None or self.made_on.kind != self.model.kind:
            return False
        return replace(self.made_on, combine=self.model.combine) == self.model

    def matches(self, **wanted: Any) -> bool:
        """Tell whether each wanted attribute, field of the model, or parameter has the wanted value."""
        return all(self._get(name) == value for name, value in wanted.items())

    def _get(self, name: str) -> Any:
        if name in self.__dataclass_fields__ or name == "white_box":
            return getattr(self, name)
        if name in FIELDS:
            return getattr(self.model, name, None)
        return self.parameters.get(name)


def told_of(model: ModelId | None) -> dict[str, Any]:
    """What of a model's identity differs from the default; nothing of no model."""
    if model is None:
        return {}
    return {f.name: v for f in fields(model) if (v := getattr(model, f.name)) != f.default}


def select(records: Iterable[Record], **wanted: Any) -> list[Record]:
    """Keep the records whose attributes or parameters have the wanted values."""
    return [record for record in records if record.matches(**wanted)]


def plain(records: Iterable[Record]) -> list[Record]:
    """Leave out what belongs to a series of its own: sweeps, variants, rungs, shared examples."""
    return [record for record in records if not SERIES & record.parameters.keys()]


def on_itself(records: Iterable[Record]) -> list[Record]:
    """Keep what was measured without attack, and under attacks made on the tested model itself.

    Random noise sees no model: the same images serve for all.
    """
    return [r for r in records if r.attack in ("none", "noise") or r.made_on == r.model]


def one(records: Iterable[Record], **wanted: Any) -> Record:
    """Find the single record with the wanted values; ValueError where there are none or several."""
    found = select(records, **wanted)
    if len(found) != 1:
        raise ValueError(f"{len(found)} records match {wanted}; expected exactly one")
    return found[0]
