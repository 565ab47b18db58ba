"""One accuracy at every ε and of every training: what the comparisons of claims are made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from helpers.attacks import ATTACKS
from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.record import SERIES, Record
from helpers.findings.evidence import ITSELF, Evidence, Model, maker

SWEPT = {"sweep": "epsilon"}
# An ensemble attacked itself, through each of its means (helpers.experiment.ladder).
RUNGS = ("itself, mean probability", "itself, mean loss", "itself, mean logits")


class Gathered(Evidence):
    """Evidence that knows sweeps, trainings from other seeds, and where its records stand."""

    def everywhere(
        self,
        dataset: str,
        of: Model,
        under: str = "none",
        made_on: Model | str | None = ITSELF,
        *,
        chapter: str | None = None,
        **parameters: Any,
    ) -> list[Record]:
        """Find an accuracy at every ε and of every training; as :meth:`accuracies`.

        An ensemble attacked itself may be so through any of its means.
        """
        about = {"dataset": dataset, "of": of, "under": under, "chapter": chapter}
        itself = made_on == ITSELF and ATTACKS[under].kind not in ("none", "noise")
        found = []
        series = SERIES & parameters.keys()
        ways = [{}] if series else [{}, SWEPT, {"shared": True}, SWEPT | {"shared": True}]
        if itself and not series:  # the rungs of a ladder are such attacks, too
            ways += [way | {"rung": rung} for rung in RUNGS for way in ({}, SWEPT)]
        for way in (parameters | way for way in ways):
            about["made_on"] = None if itself else maker(under, made_on)
            found += self.find("accuracy", **about, **way)
        found += self.find("repeat", **about)
        if itself:
            found = [r for r in found if r.white_box or r.made_on == r.model or _same_kind(r)]
        elif made_on is not None:
            found = [r for r in found if made_on == of or r.made_on != r.model]
        return [r for r in found if "correct" in r.arrays]

    @cached_property
    def _clean(self) -> dict[tuple, dict[str, bytes]]:
        """Answers on clean images, a byte each, by data set and model, and then by chapter."""
        found: dict[tuple, dict[str, bytes]] = {}
        for r in self.records:
            if r.quantity == "accuracy" and r.attack == "none" and "correct" in r.arrays:
                about = r.dataset, r.model
                found.setdefault(about, {})[r.chapter] = r.arrays["correct"].tobytes()
        return found

    def of_one_training(self, found: list[Record]) -> list[Record]:
        """Leave out chapters that trained a model of the same name otherwise: clean images tell."""
        counts, left_out = Counter(r.chapter for r in found), set()
        about = {(r.dataset, r.model) for r in found}
        for (dataset, model), told in self._clean.items():
            if (dataset, model) in about and (there := told.keys() & counts.keys()):
                chief = told[max(there, key=lambda chapter: (counts[chapter], chapter))]
                # A chapter may take fewer images: those that the others begin with.
                left_out |= {
                    (model, c) for c in there if told[c][: len(chief)] != chief[: len(told[c])]
                }
        return [r for r in found if (r.model, r.chapter) not in left_out]

    @cached_property
    def _places(self) -> tuple[dict[int, str], dict[tuple[str, str], int]]:
        places, counted, largest = {}, {}, {}
        for record in self.records:
            about = record.chapter, record.dataset
            places[id(record)] = f"{record.chapter}/{record.dataset}/{counted.get(about, 0)}"
            counted[about] = counted.get(about, 0) + 1
            if record.quantity == "accuracy":
                largest[about] = max(largest.get(about, 0), record.values["n"])
        return places, largest

    def place(self, record: Record) -> str:
        """Say where a record stands: chapter, data set, and row of their table."""
        return self._places[0][id(record)]

    def population(self, chapter: str, dataset: str) -> int:
        """Name the test images of a chapter: by their number, or that of those that begin with them.

        Chapters may take fewer: the original model's answers tell whether these are the first ones.
        """
        total = self.n_test(chapter, dataset)
        told = self._clean.get((dataset, ORIGINAL), {}).values()
        own = [answers for answers in told if len(answers) == total]
        begin = [len(other) for other in told if any(other[:total] == answers for answers in own)]
        return max(begin, default=total)

    def n_test(self, chapter: str, dataset: str) -> int:
        """How many test images a chapter has; some attacks take a part of them."""
        return self._places[1][chapter, dataset]


def is_open(model: Model | str | None) -> bool:
    """Whether a question is about all members, rather than one of them."""
    return isinstance(model, Mapping) and model["kind"] == "member" and "member" not in model


def _same_kind(record: Record) -> bool:
    """Whether the attack was made on the tested model, of a training from another seed."""
    if record.quantity != "repeat" or record.made_on is None:
        return False
    made_on = record.made_on
    seed, combine = made_on.training_seed, made_on.combine
    if made_on.kind != record.model.kind:
        return False
    return replace(record.model, training_seed=seed, combine=combine) == made_on
