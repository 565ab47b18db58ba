"""Where an experiment's pieces are made, here or on workers, and its models kept in memory."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable
from typing import Any, Self

import keras

from helpers.attacks import ATTACKS
from helpers.data.dataset import Dataset
from helpers.experiment import costs, making, setting_up, sharing
from helpers.experiment.pieces import SCHEDULER, Piece, Request, in_order
from helpers.experiment.store import Store
from helpers.experiment.subjects import Images, Subject, pieces_of
from helpers.models import gradients
from helpers.parameters import Parameters

TRAINING = (
    "epochs", "batch_size", "learning_rate", "patience", "validation_fraction", "augment", "decay",
)  # fmt: skip
WEIGHTS_KEPT = 60_000_000  # of the models in the memory of a worker


class Workbench:
    """Parameters, data, store, and the making of pieces; :class:`Experiment` names what is made.

    Parameters
    ----------
    parameters
        A chapter's validated parameters (:mod:`helpers.parameters`).
    data
        The data set that they name, if it has been loaded elsewhere.
    store
        The store that they name, if it has been looked through elsewhere.
    """

    def __init__(
        self, parameters: Parameters, data: Dataset | None = None, store: Store | None = None
    ):
        self.p = self._given = parameters
        self.store = store or Store(parameters.store_path)
        self.data, self.own = setting_up.load(parameters, data)
        self.architecture, self.options = "", {}
        if not self.own:
            self.architecture, self.options = setting_up.network(parameters, self.data)
        self.training = {name: getattr(parameters, name) for name in TRAINING}
        self.workshop = making.Workshop()
        # By identity: models in memory, and warnings about their gradients and their answers.
        self._models: dict[str, tuple[keras.Model, dict[str, Any]]] = {}
        self._zero: dict[tuple[str, str], str | bool] = {}
        self._repeats: dict[str, str | bool] = {}
        self._first: dict[Any, keras.Model] = {}  # whose compiled calls the others of a kind share

    def with_seed(self, seed: int) -> Self:
        """The same experiment on the same data, everything trained and drawn from another seed."""
        if seed == self.p.seed:
            return self
        other = copy.copy(self)  # shares the store, and what is in memory
        other.p = self.p.model_copy(update={"seed": seed})
        return other

    def rows(self, attack: str) -> Any:
        """Which test images an attack takes, as an index; the same for models of every seed."""
        return ATTACKS[attack].rows(self._given, len(self.data.y_test))

    def share_models(self, other: Self) -> None:
        """Use the models in memory and the compiled calls of another experiment on the same network."""
        self.workshop, self._first, self._models = other.workshop, other._first, other._models
        if self._models:
            model, _ = next(iter(self._models.values()))
            most = max(WEIGHTS_KEPT // model.count_params(), 1)
            for identity in list(self._models)[:-most]:  # the oldest
                del self._models[identity]

    def make(self, *wanted: Subject | Images | tuple[Subject, Images] | Piece | Iterable) -> None:
        """Make what is missing of models, images or pieces, with all that they need.

        A pair ``(subject, images)`` stands for the subject's logits on the images. Where a Dask
        scheduler is named in the environment (:mod:`helpers.experiment.engine`), its workers make them
        side by side; else they are made here, one after the other.
        """
        pieces = in_order(pieces_of(wanted, self._logits))
        missing = [piece for piece in pieces if not self.store.look_for(piece)]
        if missing and os.environ.get(SCHEDULER):
            from helpers.experiment.engine import make  # Dask takes a second

            sharing.share(self.store.root, self.data)
            make(self.store, [(piece, self.data.digest) for piece in missing])
            return
        for piece in missing:
            self.content(piece)

    def content(self, piece: Piece) -> tuple[Any, dict[str, Any]]:
        """Load a piece or, if it is not there, make and keep it; its content and what it told."""
        request = piece.request
        maker = getattr(making, request.maker)
        here = self.with_seed(request.seed)
        if piece.kind == "model":
            return self.store.model(piece, lambda folder: maker(here, folder, **request.arguments))
        return self.store.arrays(piece, lambda: maker(here, **request.arguments))

    def _piece(self, name, kind, maker, arguments, key, code, needs=()) -> Piece:
        request = Request(
            maker, arguments, self.p.seed, type(self._given).__name__,
            self._given.model_dump(mode="json"),
        )  # fmt: skip
        key = {"kind": maker, **key}
        code = (f"{making.__name__}:{maker}", *code)
        size = costs.size(self, maker, arguments)
        return Piece(f"{self.data.name}-{name}", kind, key, code, tuple(needs), request, size)

    def _loaded(self, identity: str, kind: Any, load) -> tuple[keras.Model, dict[str, Any]]:
        """Load a model once; all of a kind use the calls compiled for the first of them."""
        if identity not in self._models:
            model, history = load()
            gradients.share_calls(model, self._first.setdefault(kind, model))
            self._models[identity] = model, history
        return self._models[identity]
