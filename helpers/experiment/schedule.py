"""In which order pieces are made, and how long that takes so many workers."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence

from helpers.experiment.pieces import Piece


def priorities(pieces: Iterable[Piece], seconds: Mapping[str, float]) -> dict[str, float]:
    """How long it takes, by identity, to make a piece and the longest chain of what waits for it.

    Parameters
    ----------
    pieces
        In the order of :func:`helpers.experiment.pieces.in_order`.
    seconds
        What each takes, by identity.
    """
    after: dict[str, float] = {}
    for piece in reversed(list(pieces)):
        after[piece.identity] = after.get(piece.identity, 0.0) + seconds[piece.identity]
        for needed in piece.needs:
            after[needed.identity] = max(after.get(needed.identity, 0.0), after[piece.identity])
    return after


def critical_path(pieces: Sequence[Piece], seconds: Mapping[str, float]) -> list[Piece]:
    """The chain of pieces, each waiting for the one before, that takes longest."""
    first, path = priorities(pieces, seconds), []
    waiting = list(pieces)
    while waiting:
        path.append(max(waiting, key=lambda piece: first[piece.identity]))
        waiting = [p for p in pieces if any(n.identity == path[-1].identity for n in p.needs)]
    return path


def simulate(pieces: Sequence[Piece], seconds: Mapping[str, float], workers: int) -> float:
    """Seconds until so many workers have made all, each taking next what most waits for.

    What a piece needs and is not among `pieces` is there already.
    """
    first = priorities(pieces, seconds)
    among = {piece.identity for piece in pieces}
    missing = {p.identity: sum(n.identity in among for n in p.needs) for p in pieces}
    waits: dict[str, list[Piece]] = {}
    for piece in pieces:
        for needed in piece.needs:
            waits.setdefault(needed.identity, []).append(piece)
    ready = [(-first[p.identity], p.identity) for p in pieces if not missing[p.identity]]
    heapq.heapify(ready)
    now, busy = 0.0, list[tuple[float, str]]()
    while ready or busy:
        while ready and len(busy) < workers:
            _, identity = heapq.heappop(ready)
            heapq.heappush(busy, (now + seconds[identity], identity))
        now, ended = heapq.heappop(busy)
        for piece in waits.get(ended, ()):
            missing[piece.identity] -= 1
            if not missing[piece.identity]:
                heapq.heappush(ready, (-first[piece.identity], piece.identity))
    return now
