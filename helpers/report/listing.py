"""What a build would make: every piece by name, whether it is there, and how long the rest takes.

Notebooks say themselves what they need, so their cells are executed here, with experiments that make
nothing: images stay clean, answers are zeros, and a cell that asks for a model itself is left out. What
a chapter trains or attacks it names before that.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from helpers import chapter, paths
from helpers.data import DATASETS, load
from helpers.data.dataset import Dataset, Spec
from helpers.evaluation import subsets
from helpers.experiment import experiment, scores
from helpers.experiment.costs import BASES, Costs
from helpers.experiment.pieces import ENDINGS, Piece, in_order
from helpers.experiment.schedule import critical_path, simulate
from helpers.experiment.store import card_file
from helpers.models import training
from helpers.parameters import Parameters, validate
from helpers.profiles import Run, notebook_cells
from helpers.report import stamps
from helpers.report.plan import Job
from helpers.report.progress import duration

WORKERS = (1, 2, 8, 64)


class NotMadeError(Exception):
    """A notebook asked for the content of a model while pieces are only listed."""


class Lister(experiment.Experiment):
    """An experiment that names pieces and makes none."""

    def __init__(self, parameters: Parameters, data: Dataset | None):
        self.named: dict[str, Piece] = {}
        super().__init__(parameters, data)

    def make(self, *wanted: Any) -> None:
        """Nothing is made."""

    def _piece(self, *arguments: Any, **more: Any) -> Piece:
        piece = super()._piece(*arguments, **more)
        return self.named.setdefault(piece.identity, piece)

    def content(self, piece: Piece) -> tuple[Any, dict[str, Any]]:
        if piece.kind == "model":
            raise NotMadeError(piece.name)
        given = piece.request.arguments
        if piece.request.maker == "logits":
            n = len(self.images(given["attacked"]).y)
            found = np.zeros((n, self.data.n_classes), np.float32)
            return {"logits": found, "repeats": np.array(True)}, {}
        x = self.data.x_test[self.rows(given["attack"])]
        return {"x_adv": x, "success": np.ones(len(x), bool), "zero_gradients": np.array(0.0)}, {}


class ListingChapter(chapter.Chapter):
    """A chapter that shows and writes nothing."""

    def __init__(self, run: Run, parameters: Parameters, data: Dataset | None):
        self.name, self.p, self._numbers, self._data = run.chapter, parameters, {}, data

    @cached_property
    def experiment(self) -> Lister:
        return Lister(self.p, self._data)

    def figure(self, *arguments: Any, **more: Any) -> None:
        """Show nothing."""

    table = done = figure


def bare(p: Parameters) -> Dataset | None:
    """The data without the pixels of training images; None if the reader's own model is to be tried.

    Only to tell what is there the data are read, once for all chapters; else they are black images.
    """
    if getattr(p, "model", ""):
        return None
    wanted = (
        p.dataset, p.data_path, p.n_train, p.n_test, getattr(p, "n_classes", 0), p.seed,
        any(any(p.store_path.glob(f"*{ending}.json")) for ending in ENDINGS.values()),
    )  # fmt: skip
    return _bare(*wanted)


@cache
def _bare(
    name: str, folder: Path, n_train: int, n_test: int, n_classes: int, seed: int, read: bool
) -> Dataset:
    spec = DATASETS.get(name)
    if spec and spec.folder and not (read and (folder / spec.folder).is_dir()):
        return _black(spec, n_train, n_test, n_classes)
    data = load(
        name, data_dir=folder, n_train=n_train, n_test=n_test, n_classes=n_classes, seed=seed
    )
    return replace(data, x_train=np.broadcast_to(np.float32(0), data.x_train.shape))


def _black(spec: Spec, n_train: int, n_test: int, n_classes: int) -> Dataset:
    n_classes = n_classes or spec.n_classes
    held = {}
    for part, given in (("train", n_train), ("test", n_test)):
        n = given or getattr(spec, f"n_{part}") * n_classes // spec.n_classes
        held[f"x_{part}"] = np.broadcast_to(np.float32(0), (n, *spec.input_shape))
        held[f"y_{part}"] = np.arange(n, dtype=np.int32) % n_classes
    return Dataset(
        spec.name, spec.title, **held, class_names=tuple(map(str, range(n_classes))),
        status="unverified", label=spec.title, digest="0" * 64, full_digest="0" * 64,
        train_digest="0" * 64, full_n_train=spec.n_train, full_n_test=spec.n_test,
        stands_in_for=None, source=spec.source,
    )  # fmt: skip


def listed(
    job: Job, run: Run, find: Callable[[Parameters], Dataset | None] = lambda p: None
) -> Lister:
    """Execute a notebook's cells with nothing made; the experiment, which has named all pieces.

    `find` gives the data of a run's parameters, or None: they are loaded.
    """
    parameters = validate(run.chapter, job.output.parameters(run, job.data_dir))
    quiet = ListingChapter(run, parameters, find(parameters))
    namespace: dict[str, Any] = {"__name__": "listing"}
    nothing = {"distortion": lambda *images: {}, "similarity": lambda *images: np.zeros(1)}
    with (
        _silent(),
        mock.patch.object(chapter, "Chapter", return_value=quiet),
        mock.patch.multiple(scores, **nothing),
        mock.patch.object(experiment, "check_adversarial"),
        mock.patch.object(subsets, "subset_accuracies", lambda *of, **_: np.zeros((len(of[0]), 2))),
        # A cell that computes by hand with training images asks for no piece.
        mock.patch.object(training, "split_validation", side_effect=NotMadeError("by hand")),
    ):
        for kind, source, tags in notebook_cells(run.chapter):
            asks = "experiment" in source or "score" in source  # others draw, or show by hand
            if kind == "code" and asks and "parameters" not in tags:
                with contextlib.suppress(Exception):  # of what is not made, or follows from it
                    exec(compile(source, run.chapter, "exec"), namespace)
    return quiet.experiment


def runs_with_pieces(job: Job) -> list[Run]:
    """The selected runs that have a data set of their own."""
    return [run for run in job.runs() if run.dataset and run.chapter != stamps.FINDINGS]


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    nothing = io.StringIO()
    with (
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True)
class Forecast:
    """All pieces of a build with their seconds, those that are there, and what is told of them."""

    pieces: list[Piece]
    seconds: dict[str, float]
    there: frozenset[str]
    bases: Counter[str]  # how many of the seconds rest on what, of `costs.BASES`

    @property
    def left(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.identity not in self.there]

    def told(self, workers: tuple[int, ...]) -> Iterator[str]:
        """Lines for people."""
        for piece in self.pieces:
            state = "there" if piece.identity in self.there else "to be made"
            yield f"{piece.name:44} {piece.identity}  {state:10}  {self.seconds[piece.identity]:9.1f} s"
        for what, pieces in (("From nothing", self.pieces), ("Left", self.left)):
            hours = sum(self.seconds[piece.identity] for piece in pieces) / 3600
            path = critical_path(pieces, self.seconds)
            longest = sum(self.seconds[piece.identity] for piece in path)
            chain = ", ".join(piece.name for piece in path)
            yield f"{what}: {len(pieces)} pieces, {hours:.2f} core-hours"
            if pieces:
                yield f"  critical path {duration(longest)}: {chain}"
                times = (f"{n}: {duration(simulate(pieces, self.seconds, n))}" for n in workers)
                yield f"  with workers of one thread, {', '.join(times)}"
        told = (f"{self.bases[basis]} on {basis}" for basis in BASES if self.bases[basis])
        yield f"The seconds of the pieces rest: {'; '.join(told) or 'on nothing, for there are none'}"
        if self.bases[BASES[-1]]:
            yield (
                "Nothing like some of them was ever made here, so the times may be far off: a small "
                "build of the same networks tells better (docs/cluster.md)"
            )


def forecast(job: Job) -> Forecast:
    """List the pieces of the selected runs; nothing is made."""
    found: dict[str, Piece] = {}
    for run in runs_with_pieces(job):
        found |= listed(job, run, bare).named
    pieces = in_order(found.values())
    known = Costs(job.output.store, *_other_stores(job.output.store))
    files = {piece.identity: job.output.store / piece.file_name for piece in pieces}
    there = {k for k, file in files.items() if file.is_file() and card_file(file).is_file()}
    seconds = {p.identity: known.seconds(p) for p in pieces}
    return Forecast(pieces, seconds, frozenset(there), Counter(map(known.basis, pieces)))


def _other_stores(own: Path) -> list[Path]:
    """The stores of this project's other builds, whose cards tell what is not in one's own."""
    return [path for path in sorted((paths.PROJECT / "build").glob("*/store")) if path != own]
