"""One line that tells how far the making of pieces is, and what could not be made."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from typing import TextIO

from helpers.experiment.pieces import Piece
from helpers.experiment.trust import Trouble

BETWEEN = 1.0  # seconds between two looks at it
BETWEEN_LINES = 60.0  # where each look is a line of its own, as in a log
MOST = 20  # pieces whose failure is told in full


class PiecesLine:
    """Pieces made, under way (on which worker, for how long), left, and the time that is left.

    Parameters
    ----------
    pieces
        All that are to be made.
    seconds
        What each will take, by identity.
    stream
        Where to write (None: standard error).
    """

    def __init__(
        self, pieces: Iterable[Piece], seconds: Mapping[str, float], stream: TextIO | None = None
    ):
        self.names = {piece.file_name: piece.name for piece in pieces}
        self.seconds, self.stream = dict(seconds), stream or sys.stderr
        self.total, self.began = len(self.seconds), time.monotonic()
        self.shown, self.length = -BETWEEN_LINES, 0
        # A kernel's stream is no terminal, but what shows it goes back to the line's start as one does.
        self.goes_back = self.stream.isatty() or "ipykernel" in sys.modules
        self.since: dict[tuple[str, str], float] = {}

    def done(self, identity: str) -> None:
        """A piece is made, or has failed."""
        self.seconds.pop(identity, None)

    @property
    def due(self) -> bool:
        """Whether it is time for another look."""
        between = BETWEEN if self.goes_back else BETWEEN_LINES
        return time.monotonic() - self.shown >= between

    def show(self, under_way: Mapping[str, str], workers: int) -> None:
        """Write the line, given the file that each busy worker makes and the number of workers."""
        now, told = time.monotonic(), []
        self.shown = now
        self.since = {pair: self.since.get(pair, now) for pair in under_way.items()}
        for (worker, file), since in self.since.items():
            name = self.names.get(file, file.rpartition("-")[0])
            told.append(f"{name} ({worker.rpartition(':')[2]}, {now - since:.0f} s)")
        made, left = self.total - len(self.seconds), sum(self.seconds.values()) / max(workers, 1)
        text = (
            f"{made} of {self.total} pieces, {len(self.seconds)} left, about {left:.0f} s; "
            f"under way: {', '.join(told) or 'none' if workers else 'no workers yet'}"
        )
        self._write(text)

    def close(self) -> None:
        seconds = time.monotonic() - self.began
        self._write(f"{self.total} pieces in {seconds:.0f} s")
        if self.goes_back:
            self.stream.write("\n")

    def _write(self, text: str) -> None:
        over = "\r" + text.ljust(self.length)  # over all of what stood there
        self.stream.write(over if self.goes_back else f"{text}\n")
        self.stream.flush()
        self.length = len(text)


def failures(failed: Mapping[str, BaseException], wanted: Iterable[Piece]) -> str:
    """Say which pieces failed by themselves, why, and which only waited for them."""
    lines = []
    causes: dict[str, set[str]] = {}  # of each, what failed by itself
    waited: dict[str, list[Piece]] = {}  # each of those, and behind it what needed it
    broken = [piece for piece in wanted if piece.identity in failed]
    for piece in broken:  # what each needs stands before it
        found = [causes[needed.identity] for needed in piece.needs if needed.identity in causes]
        causes[piece.identity] = set().union(*found) or {piece.identity}
        for cause in causes[piece.identity]:
            waited.setdefault(cause, []).append(piece)
    for piece, *others in waited.values():
        error, names = failed[piece.identity], [other.name for other in others]
        told = str(error) if isinstance(error, Trouble) else f"{type(error).__name__}: {error}"
        after = f"; {len(names)} waited for it: {', '.join(names)}" if names else ""
        lines.append(f"{piece.name} could not be made: {told}{after}")
    more = [f"... and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return "\n".join(lines[:MOST] + more)
