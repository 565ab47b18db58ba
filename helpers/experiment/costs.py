"""What a piece costs, judged by the cards of those that were made.

The size of a piece is the number of passes through a network. What one takes comes from the cards of
pieces of the same kind and network; where there is none, from those of the nearest kind, by the
multiplications of the two networks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from helpers.attacks import ATTACKS
from helpers.experiment.pieces import Piece

BACKWARD = 3  # passes that a gradient costs: forward, and about twice as much back
REPEATED = ("steps", "restarts", "c_steps", "max_iterations", "iterations")  # settings of attacks
SEARCHED = 6  # answers that Carlini-Wagner's search along a step asks for, halving and doubling it
QUERIES = 10  # answers that Square asks for in each of its iterations
FAR = 10  # times more passes than those of any card: what it took to start says nothing of that
# Seconds for a thousand million multiplications where no card tells, on one thread of a usual machine.
USUAL = 0.02
# What an expectation rests on, the best first; the middle ones as `_kinds` lists them.
BASES = (
    "a card of its own",
    "cards of the same kind and network",
    "cards of the same kind, by the network's size",
    "cards of like kinds, by the network's size",
    "cards of any kind, by the network's size",
    "no card, but the speed of a usual machine",
)


def size(experiment, maker: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Say how much work a piece is.

    Returns
    -------
    size
        ``kind``; ``network`` (name, options, shape of an image, classes); ``passes`` of single images.
    """
    data, p, n = experiment.data, experiment.p, len(experiment.data.x_train)
    kind, passes = maker, 0
    if maker in ("original", "member"):
        passes = p.epochs * n * BACKWARD
    elif maker == "retrained":
        kind = f"{maker} {arguments['attack']} {arguments['regenerate']}"
        examples = _attack(arguments["attack"], arguments["settings"])
        examples *= arguments["n_adversarial"] or n
        epochs = arguments["epochs"]
        times = 1 if arguments["regenerate"] == "never" else epochs
        examples = 0 if arguments["attack"] == "none" else examples
        passes = times * examples + epochs * 2 * n * BACKWARD
    elif maker == "images":
        kind = f"{maker} {arguments['attack']}"
        rows = ATTACKS[arguments["attack"]].rows(p, len(data.y_test))
        rows = len(range(*rows.indices(len(data.y_test)))) if isinstance(rows, slice) else len(rows)
        source = arguments["source"]
        each = _attack(arguments["attack"], arguments["settings"])
        passes = rows * each * networks(source) if source else rows
    elif maker == "logits":
        passes = len(data.y_test) * networks(arguments["model"])
    network = [experiment.architecture, experiment.options, data.input_shape, data.n_classes]
    return {"kind": kind, "network": network, "passes": passes}


def networks(spec: Mapping[str, Any]) -> int:
    """Count the networks of a model, of which its description is given."""
    return len(spec["arguments"].get("members", [None]))


def _attack(name: str, settings: Mapping[str, Any]) -> int:
    """Passes for one image."""
    if name == "square":
        return QUERIES * settings["iterations"]
    if name == "cw":
        from helpers.attacks.art import CW_CONSTANTS, cw_steps  # with TensorFlow

        return CW_CONSTANTS * cw_steps(settings["iterations"]) * (BACKWARD + SEARCHED)
    passes = BACKWARD
    if {"iterations", "restarts"} <= settings.keys():  # several attacks, one after the other
        return passes * 2 * (settings["steps"] * settings["restarts"] + settings["iterations"])
    for setting in REPEATED:
        passes *= settings.get(setting, 1)
    return passes


@cache
def multiplications(network: str) -> float:
    """Count the multiplications of one image's way through a network, given as JSON of `size`."""
    import keras

    from helpers.models.networks import build

    def count(model) -> float:
        total = 0.0
        for layer in model.layers:
            if isinstance(layer, keras.Model):
                total += count(layer)
            elif layer.weights and hasattr(layer, "kernel"):
                places = (
                    layer.output.shape[1] * layer.output.shape[2]
                    if len(layer.kernel.shape) == 4
                    else 1
                )
                total += places * math.prod(layer.kernel.shape)
        return total

    architecture, options, shape, n_classes = json.loads(network)
    if not architecture:
        return 1e8  # a reader's own model
    return count(build(architecture, tuple(shape), n_classes, seed=0, **options))


@cache
def _told(path: Path) -> tuple[str, str, float, float] | None:
    """What a card says of its piece's kind, network, passes and seconds; it never changes."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        # Of one thread that waits for a busy machine the processor's seconds say more, too.
        seconds, of = card["processor_seconds"], card["size"]
        found = of["kind"], json.dumps(of["network"]), of["passes"], seconds
        return found if of["passes"] > 0 and seconds >= 0 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not a card, or one of another edition: it tells nothing


class Costs:
    """Expected seconds of pieces on a worker of one thread.

    Parameters
    ----------
    stores
        Folders whose cards tell.
    """

    def __init__(self, *stores: Path):
        self._rates: dict[tuple[str, ...], list[tuple[float, str, float]]] = {}
        self._known: dict[str, float] = {}
        for path in sorted(path for store in stores for path in store.glob("*.json")):
            if (told := _told(path)) is None:
                continue
            kind, network, passes, seconds = told
            for like in (*_kinds(kind, network), ("", network)):
                self._rates.setdefault(like, []).append((passes, network, seconds / passes))
            self._known[path.stem] = seconds
        self._found: dict[tuple[str, str], tuple[float, float]] = {}

    def seconds(self, piece: Piece) -> float:
        """Expected seconds of a piece: its own of an earlier time, or from what is like it."""
        if piece.file_name in self._known:
            return self._known[piece.file_name]
        kind, network = piece.size["kind"], json.dumps(piece.size["network"])
        passes = piece.size["passes"]
        rate, largest = self._rate(kind, network)
        if passes > FAR * largest:  # a pass is a pass, whatever it is for
            rate = min(rate, self._median([("", network), ()], network)[0])
        return passes * rate

    def basis(self, piece: Piece) -> str:
        """What its expected seconds rest on, of `BASES`."""
        if piece.file_name in self._known:
            return BASES[0]
        kinds = _kinds(piece.size["kind"], json.dumps(piece.size["network"]))
        found = (
            basis for basis, kind in zip(BASES[1:], kinds, strict=False) if kind in self._rates
        )
        return next(found, BASES[-1])

    def _rate(self, kind: str, network: str) -> tuple[float, float]:
        """Seconds of a pass, and the passes of the largest card that tells so."""
        if (kind, network) not in self._found:
            self._found[kind, network] = self._median(_kinds(kind, network), network)
        return self._found[kind, network]

    def _median(self, kinds: Iterable[tuple[str, ...]], network: str) -> tuple[float, float]:
        for one in kinds:
            if one in self._rates:
                # Small ones spend their time on compiling, and would tell too much of large ones.
                largest = sorted(self._rates[one], reverse=True)[: -(-len(self._rates[one]) // 3)]
                rates = (
                    rate if other == network else rate * _ratio(network, other)
                    for _, other, rate in largest
                )
                return median(rates), largest[0][0]
        return multiplications(network) / 1e9 * USUAL, math.inf


def _ratio(network: str, other: str) -> float:
    return multiplications(network) / multiplications(other)


def _kinds(kind: str, network: str) -> Iterable[tuple[str, ...]]:
    """What may tell of a piece, the best first: same kind and network, same kind, same maker, any."""
    yield from ((kind, network), (kind,), (kind.partition(" ")[0], ""), ())
