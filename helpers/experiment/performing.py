"""Making a piece from nothing but itself, as a worker of the engine does."""

from __future__ import annotations

import json
from functools import lru_cache

from helpers.experiment.experiment import Experiment
from helpers.experiment.pieces import Piece
from helpers.experiment.sharing import shared
from helpers.parameters import validate

KEPT = 6  # data sets, with their networks, whose compiled calls a process keeps


@lru_cache(maxsize=KEPT)
def _begun(store: str, digest: str, network: str) -> list[Experiment]:
    """The experiment whose data and compiled calls the others share; empty until there is one."""
    return []


def perform(piece: Piece, digest: str) -> None:
    """Make a piece and keep it, unless it is there.

    Parameters
    ----------
    piece
        What to make.
    digest
        Of the data set, which whoever asks has shared in the store.

    Raises
    ------
    ValueError
        If the store here does not hold these data.
    """
    request, values = piece.request, dict(piece.request.parameters)
    if "allow_expensive" in values:
        values["allow_expensive"] = True  # whoever asks has been asked
    p = validate(request.chapter, values)
    begun = _begun(str(p.store_path), digest, json.dumps(piece.size["network"][:2]))
    if begun:
        experiment = Experiment(p, begun[0].data, begun[0].store)
        experiment.share_models(begun[0])
    else:
        experiment = Experiment(p, shared(p.store_path, digest))
        begun.append(experiment)
    if not experiment.store.has(piece):
        experiment.content(piece)
    experiment.store.used.clear()  # whoever asks reads the cards
