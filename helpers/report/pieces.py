"""The pieces of a profile without its notebooks: what a cluster makes before the page is built."""

from __future__ import annotations

import os
from typing import TextIO

from helpers.experiment import sharing
from helpers.experiment.pieces import SCHEDULER, Piece, in_order
from helpers.report.listing import Lister, listed, runs_with_pieces
from helpers.report.output import locked
from helpers.report.plan import Job
from helpers.report.running import workers


def make_pieces(job: Job, which: str, stream: TextIO) -> None:
    """Make what the selected runs will ask for, and leave notebooks, records and page alone.

    Each run's pieces are made before the next run's, on the workers that were asked for or here. What
    is there is not made again, and a training that was interrupted goes on where it stopped.

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
        for run in runs_with_pieces(job):
            experiment = listed(job, run)
            wanted = in_order(
                p for p in experiment.named.values() if which == "all" or p.kind == "model"
            )
            missing = [piece for piece in wanted if not experiment.store.has(piece)]
            stream.write(f"{run.name}: {len(missing)} of {len(wanted)} pieces to be made\n")
            stream.flush()
            if missing:
                _make(experiment, missing, stream)


def _make(experiment: Lister, missing: list[Piece], stream: TextIO) -> None:
    if os.environ.get(SCHEDULER):
        from helpers.experiment import engine

        engine.make(experiment, missing)
        return
    from helpers.experiment.performing import perform

    sharing.share(experiment.store.root, experiment.data)
    for number, piece in enumerate(missing, start=1):
        stream.write(f"{number}/{len(missing)} {piece.name}\n")
        stream.flush()
        perform(piece, experiment.data.digest)
