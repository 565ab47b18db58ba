"""The pieces of a profile without its notebooks: what a cluster makes before the page is built."""

from __future__ import annotations

import os
from typing import TextIO

from helpers.experiment import sharing
from helpers.experiment.pieces import SCHEDULER, Piece, in_order
from helpers.experiment.store import Store
from helpers.report.listing import listed, runs_with_pieces
from helpers.report.output import locked
from helpers.report.plan import Job
from helpers.report.running import workers


def make_pieces(job: Job, which: str, stream: TextIO) -> None:
    """Make what the selected runs will ask for, and leave notebooks, records and page alone.

    They are made on the workers that were asked for, what most waits for first, or here, one run after
    the other. What is there is not made again, and a training that was interrupted goes on where it
    stopped.

    Parameters
    ----------
    which
        ``all``, or ``models`` for what is trained only.

    Raises
    ------
    ValueError
        If a piece cannot be made; names it, when everything that does not depend on it is made.
    """
    with locked(job.output), workers(job):
        found: dict[str, tuple[Piece, str]] = {}
        for run in runs_with_pieces(job):
            experiment = listed(job, run)
            store = experiment.store
            wanted = in_order(
                p for p in experiment.named.values() if which == "all" or p.kind == "model"
            )
            missing = [piece for piece in wanted if not store.has(piece)]
            stream.write(f"{run.name}: {len(missing)} of {len(wanted)} pieces to be made\n")
            stream.flush()
            if missing:
                sharing.share(store.root, experiment.data)
            digest = experiment.data.digest
            found |= {p.identity: (p, digest) for p in missing if p.identity not in found}
        if found:
            _make(store, list(found.values()), stream)


def _make(store: Store, missing: list[tuple[Piece, str]], stream: TextIO) -> None:
    if os.environ.get(SCHEDULER):
        from helpers.experiment import engine

        engine.make(store, missing)
        return
    from helpers.experiment.performing import perform

    for number, (piece, digest) in enumerate(missing, start=1):
        stream.write(f"{number}/{len(missing)} {piece.name}\n")
        stream.flush()
        perform(piece, digest)
