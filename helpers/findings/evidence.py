"""What was measured, asked for by what it is: what claims, headlines, tables and publishing read.

    evidence = Evidence(records)
    evidence.accuracy("mnist", {"kind": "ensemble", "n_members": 10}, "bim", made_on=ORIGINAL)
    evidence.pair("mnist", {"of": ORIGINAL, "under": "fgsm"}, {"of": ORIGINAL, "under": "bim"})

A question with a name that nothing has (a field, a quantity, an attack, a chapter, a parameter) is an
error, so that no renaming turns a finding into "not run". None means: not measured here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np

from helpers.attacks import ATTACKS
from helpers.data import DATASETS
from helpers.evaluation.model_id import FIELDS, ModelId
from helpers.evaluation.record import SERIES, Record
from helpers.findings.verdicts import same_images
from helpers.vocabulary import CHAPTERS, VOCABULARY

# Quantities that findings ask for; `values` of each as the chapters record them.
QUANTITIES = (
    "accuracy", "repeat", "history", "bagging", "distortion", "similarity", "architecture", "size",
    "sanity", "data", "own_model",
)  # fmt: skip
PARAMETERS = SERIES | VOCABULARY.keys() | {"check"}
ITSELF = "itself"  # an attack made on the model that it tests

Model = ModelId | Mapping[str, Any]


class UnknownName(ValueError):
    """A question with a name that no record could have."""


class Ambiguous(ValueError):
    """A question that several results answer, measured with other settings each."""


class Evidence:
    """The records of a build, as a table to be asked.

    Parameters
    ----------
    records
        Read with their arrays where differences are asked for.
    """

    def __init__(self, records: Iterable[Record]):
        self.records = list(records)
        # What all records have of a name: findings ask hundreds of questions.
        self._columns: dict[str, np.ndarray] = {}
        self._absent: dict[str, np.ndarray] = {}

    def without_own_models(self) -> Evidence:
        """Leave out what was measured on a user's own model: it says nothing about the report's."""
        own = {(r.chapter, r.dataset) for r in self.records if r.quantity == "own_model"}
        return type(self)(r for r in self.records if (r.chapter, r.dataset) not in own)

    # Asking ---------------------------------------------------------------------------------------

    def find(
        self,
        quantity: str,
        *,
        dataset: str | None = None,
        chapter: str | None = None,
        of: Model | None = None,
        under: str | None = None,
        made_on: Model | str | None = None,
        **parameters: Any,
    ) -> list[Record]:
        """Find all records of a quantity, in the order in which they were read.

        Parameters
        ----------
        quantity
            One of `QUANTITIES`.
        dataset, chapter
            Names; None for all.
        of, made_on
            A model, or fields of one: those left out are as `ModelId` has them by default (an
            ensemble's mean of probabilities), but the number of a member or of members is left open.
            `made_on` may be `ITSELF`; None does not ask.
        under
            An attack, ``none`` included.
        parameters
            Others that decide a result. Of those that mark a series (`SERIES`), a record has none that
            is not asked for.

        Raises
        ------
        UnknownName
            If a name is in no vocabulary; names what there is.
        """
        _known("quantity", quantity, QUANTITIES)
        wanted = {"quantity": quantity}
        if dataset is not None:
            wanted["dataset"] = dataset
        if chapter is not None:
            _known("chapter", chapter, CHAPTERS)
            wanted["chapter"] = chapter
        if under is not None:
            _known("attack", under, ATTACKS)
            wanted["attack"] = under
        if of is not None:
            wanted |= _fields("model", of)
        if made_on == ITSELF and quantity == "repeat":
            wanted |= _fields("made_on", of)
        elif made_on == ITSELF:
            wanted["itself"] = True
        elif made_on is not None:
            wanted |= _fields("made_on", made_on)
        if quantity == "repeat":  # of whatever seed: that of the model alone is noted
            wanted = {k: v for k, v in wanted.items() if not k.endswith(".training_seed")}
        for name, value in parameters.items():
            _known("parameter", name, PARAMETERS)
            wanted[f"parameters.{name}"] = value
        fits = np.ones(len(self.records), bool)
        for name, value in wanted.items():
            fits &= value is not None and self._column(name) == value
        for name in SERIES - parameters.keys():
            fits &= self._is_absent(f"parameters.{name}")
        return [self.records[k] for k in np.flatnonzero(fits)]

    def _column(self, name: str) -> np.ndarray:
        if name not in self._columns:
            values = (_read(record, name) for record in self.records)
            self._columns[name] = np.fromiter(values, object, len(self.records))
        return self._columns[name]

    def _is_absent(self, name: str) -> np.ndarray:
        if name not in self._absent:
            self._absent[name] = np.array([v is None for v in self._column(name)], bool)
        return self._absent[name]

    def one(self, quantity: str, **about: Any) -> Record | None:
        """Find the first record of a quantity; None where there is none. As :meth:`find`."""
        return next(iter(self.find(quantity, **about)), None)

    def accuracies(
        self,
        dataset: str,
        of: Model,
        under: str = "none",
        made_on: Model | str = ITSELF,
        chapter: str | None = None,
        **parameters: Any,
    ) -> list[Record]:
        """Find an accuracy in all chapters that measured it; as :meth:`accuracy`."""
        if made_on == ITSELF and "rung" in parameters:
            made_on = None  # the worst of several attacks was made on none
        about = {"dataset": dataset, "of": of, "under": under, "chapter": chapter}
        found = self.find("accuracy", **about, made_on=maker(under, made_on), **parameters)
        if isinstance(of, Mapping) and of["kind"] == "ensemble" and "n_members" not in of:
            largest = max((r.model.n_members for r in found), default=0)
            found = [r for r in found if r.model.n_members == largest > 1]
        return found

    def accuracy(self, dataset: str, of: Model, under: str = "none", **about: Any) -> Record | None:
        """Find one accuracy.

        Where several chapters measured the same, it is that on the most images; of ensembles without a
        number of members, the largest (one member is no ensemble then).

        Parameters
        ----------
        dataset
            Name of the data set.
        of
            Who was tested: a model, or fields of one (see :meth:`find`).
        under, made_on
            The attack, and the model that it was made on (default: the tested one itself). Neither
            clean images nor noise have one.
        chapter, parameters
            Needed only where chapters legitimately differ.

        Returns
        -------
        record
            None if it was not measured.

        Raises
        ------
        UnknownName
            As :meth:`find`.
        Ambiguous
            If several results fit that were measured with other settings.
        """
        found = self.accuracies(dataset, of, under, **about)
        settings = {name for r in found for name in r.parameters} - {"seed"}
        apart = [s for s in sorted(settings) if len({str(r.parameters.get(s)) for r in found}) > 1]
        if apart:
            places = ", ".join(dict.fromkeys(r.chapter for r in found))
            raise Ambiguous(
                f"accuracy of {of} under {under} on {dataset}: {places} have other values of "
                f"{', '.join(apart)} each; say which, or which chapter"
            )
        return max(found, key=lambda r: r.values["n"], default=None)

    def pair(
        self, dataset: str, a: Mapping[str, Any], b: Mapping[str, Any]
    ) -> tuple[Record, Record] | None:
        """Find two accuracies that can be compared: on the same images and in one chapter if possible.

        Parameters
        ----------
        a, b
            What :meth:`accuracy` takes.

        Returns
        -------
        pair
            None if one was not measured, or the attacks differ in epsilon.
        """
        both = product(self.accuracies(dataset, **a), self.accuracies(dataset, **b))
        fair = [(x, y) for x, y in both if _same_epsilon(x, y)]
        return max(fair, key=_fitting, default=None)

    def standing_for(self, role: str) -> list[str]:
        """Name the data sets here that can stand for one of the report's: itself, then stand-ins."""
        there = {record.dataset for record in self.records} & DATASETS.keys()
        stand_ins = sorted(name for name in there if DATASETS[name].stands_in_for == role)
        return [*({role} & there), *stand_ins]


def _read(record: Record, name: str) -> Any:
    """Look up a name as questions have it: ``quantity``, ``model.kind``, ``itself``."""
    if name == "itself":
        return record.made_on is not None and record.made_on == record.model
    group, dot, field = name.partition(".")
    held = getattr(record, group)
    if not dot:
        return held
    return held.get(field) if isinstance(held, Mapping) else getattr(held, field, None)


def _known(kind: str, name: str, names: Iterable[str]) -> None:
    if name not in names:
        raise UnknownName(
            f"{kind} {name!r}: there is no such; there are {', '.join(sorted(names))}"
        )


def maker(under: str, made_on: Model | str | None) -> Model | str | None:
    """On what the attack was made; neither clean images nor noise are made on a model."""
    _known("attack", under, ATTACKS)
    if made_on not in (None, ITSELF):
        _fields("made_on", made_on)  # a wrong name is wrong for clean images too
    return None if ATTACKS[under].kind in ("none", "noise") else made_on


def _fields(name: str, model: Model) -> dict[str, Any]:
    """What the columns of a model must hold."""
    if isinstance(model, ModelId):
        return {f"{name}.{field}": value for field, value in asdict(model).items()}
    if not isinstance(model, Mapping):
        raise UnknownName(f"{name} = {model!r}: expected a ModelId, or some of its fields")
    for field in model:
        _known("field of a model", field, FIELDS)
    number = {"ensemble": "n_members", "member": "member"}.get(model["kind"], "")
    needed = {number: 1} if number else {}
    needed |= {"combine": "probabilities"} if number == "n_members" else {}
    whole = asdict(ModelId(**needed | model))  # refuses what no model can be
    if number not in model:
        whole.pop(number, None)
    return {f"{name}.{field}": value for field, value in whole.items()}


def _same_epsilon(a: Record, b: Record) -> bool:
    """Whether bounded attacks on the two had the same size; clean images and the unbounded have none."""
    sizes = {r.parameters["epsilon"] for r in (a, b) if "epsilon" in r.parameters}
    return len(sizes) < 2


def _fitting(pair: Sequence[Record]) -> tuple:
    a, b = pair
    return same_images(a, b), a.chapter == b.chapter, min(a.values["n"], b.values["n"])
