"""Pieces made side by side on Dask's workers; the one module that imports Dask.

What travels are pieces (plain data) and notes on their making. Models and arrays stay in the store's
folder, which the workers and whoever asks must share.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import hashlib
import logging
import os
import sys
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
from distributed import Client, Future, LocalCluster, get_worker
from distributed.security import Security

from helpers.experiment import costs
from helpers.experiment.pieces import SCHEDULER, Piece
from helpers.experiment.pieces_line import PiecesLine, failures
from helpers.experiment.schedule import priorities
from helpers.experiment.trust import EngineError, Trouble, address_of, differences, fingerprint

if TYPE_CHECKING:
    from helpers.experiment.store import Store

ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1",
}  # fmt: skip
QUIET = "REPORT_QUIET_WORKERS"  # what they write would run into the line of progress
PATIENCE = 60.0  # seconds that a cluster may take to answer
LOOK = 1.0  # seconds between two looks at what is under way
TRIES = 3  # of a piece whose worker is in trouble, each time without the workers that were
REMEDY = "start workers from this project's own environment (.venv), at the same revision"
TASK = "make-"
CERTIFICATES = [
    f"DASK_DISTRIBUTED__COMM__TLS__{name}" for name in ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY")
]
# What Dask raises of futures whose scheduler is gone: either of the two, by where it notices.
CANCELLED = (asyncio.CancelledError, concurrent.futures.CancelledError)


class PieceError(ValueError):
    """Pieces could not be made: says which, why, and what waited for them."""


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Give variables to all processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextlib.contextmanager
def local(workers: int) -> Iterator[str]:
    """Start so many processes on this machine, one thread each; gives the scheduler's address."""
    # A worker holds no more than it works on, so that the longest is next wherever one is free; and
    # one that was silent for long is not given up: the machine may have slept.
    with (
        environment(ONE_THREAD | {QUIET: "1"}),
        dask.config.set({
            "distributed.scheduler.worker-saturation": 1.0, "distributed.scheduler.worker-ttl": None,
        }),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address=None, memory_limit=0, silence_logs=logging.CRITICAL,
        ) as cluster,
    ):  # fmt: skip
        yield cluster.scheduler_address


# On a worker ------------------------------------------------------------------------------------


@cache
def _silence() -> None:
    """Keep a local worker's bars, and TensorFlow's notes, to itself; its errors travel by themselves."""
    if os.environ.get(QUIET):
        with Path(os.devnull).open("wb") as nothing:
            for number in (1, 2):
                os.dup2(nothing.fileno(), number)


def _sees(folder: str, token: str) -> bool:
    return (Path(folder) / token).is_file()


def _perform(piece: Piece, digest: str, expected: Mapping[str, str], *needed: None) -> None:
    """Make a piece on a worker; one that came later than :meth:`Engine.check` is checked here."""
    worker = get_worker().address
    if wrong := differences(fingerprint(), expected):
        raise EngineError(f"the worker {worker} differs: {wrong}; {REMEDY}")
    os.environ["REPORT_WORKER"] = worker  # helpers.files: others may be writing in the store
    _silence()
    from helpers.experiment import performing

    try:
        performing.perform(piece, digest)
    except (OSError, MemoryError) as error:
        raise Trouble(worker, f"{type(error).__name__}: {error}") from None


def _peak_memory() -> int:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


# Who asks ---------------------------------------------------------------------------------------


def _check_certificates(address: str) -> None:
    """Dask without certificates would first fail in a thread of its own, and then wait for it."""
    try:
        if (
            not address.startswith("tls:")
            or Security().get_connection_args("client")["ssl_context"]
        ):
            return
        wrong = "none are set"
    except OSError as error:  # no such file, or no certificate
        wrong = str(error)
    raise EngineError(
        f"{address} wants certificates ({wrong}): set {', '.join(CERTIFICATES)} (docs/cluster.md)"
    )


class Engine:
    """The workers of a cluster.

    Parameters
    ----------
    address
        Of the scheduler, as :func:`address_of` takes it.

    Raises
    ------
    EngineError
        If nothing answers there, or the address is refused.
    """

    def __init__(self, address: str):
        self.address = address_of(address)
        self._first: dict[str, float] = {}  # how early each task is to be made
        _check_certificates(self.address)
        try:
            self.client = Client(self.address, timeout=PATIENCE, set_as_default=False)
            self.client.wait_for_workers(1, timeout=PATIENCE)
        except (OSError, TimeoutError) as error:
            raise EngineError(
                f"no Dask scheduler with workers answers at {self.address} ({error}): start one, or "
                "leave out --cluster and unset DASK_SCHEDULER_ADDRESS"
            ) from None

    def check(self, store: Path) -> None:
        """Refuse workers of another environment, and those that do not see the store's folder.

        Raises
        ------
        EngineError
            Names the worker and what differs.
        """
        for worker, one in self.client.run(fingerprint, on_error="return").items():
            if isinstance(one, BaseException):
                raise EngineError(f"the worker {worker} cannot run this project ({one}); {REMEDY}")
            if wrong := differences(one, fingerprint()):
                raise EngineError(f"the worker {worker} differs: {wrong}; {REMEDY}")
        store.mkdir(parents=True, exist_ok=True)
        token = store / f".{uuid.uuid4().hex}.token"
        token.touch()
        try:
            seen = self.client.run(_sees, str(store), token.name)
        finally:
            token.unlink()
        for worker, sees in seen.items():
            if not sees:
                raise EngineError(
                    f"the worker {worker} does not see the folder {store}: workers and whoever asks "
                    "must share the store under one path"
                )

    def make(
        self, pieces: Iterable[Piece], digests: Mapping[str, str], store: Path, stream=None
    ) -> None:
        """Make pieces, what each needs first, those that most waits for first, and wait for all.

        Parameters
        ----------
        pieces
            Those that are missing, in the order of :func:`helpers.experiment.pieces.in_order`.
        digests
            Of each one's data set, by identity; they stand in the store
            (:mod:`helpers.experiment.sharing`).
        store
            The folder; its cards tell what pieces cost.
        stream
            For a line of progress (None: standard error).

        Raises
        ------
        PieceError
            When everything that does not depend on a failed piece is made.
        EngineError
            If the cluster is lost, or a worker that came later does not fit.
        """
        wanted, known = list(pieces), costs.Costs(store)
        seconds = {piece.identity: known.seconds(piece) for piece in wanted}
        first, line = priorities(wanted, seconds), PiecesLine(wanted, seconds, stream)
        failed: dict[str, BaseException] = {}
        troubled: set[str] = set()
        for attempt in range(TRIES):
            futures = self._submit(wanted, digests, store, first, attempt, troubled)
            failed = self._wait(futures, line)
            troubles = [error for error in failed.values() if isinstance(error, Trouble)]
            troubled |= {error.worker for error in troubles}
            others = set(self.client.scheduler_info()["workers"]) - troubled
            if not troubles or not others:
                break
            wanted = [piece for piece in wanted if piece.identity in failed]
        line.close()
        for error in failed.values():
            if isinstance(error, EngineError):
                raise error
        if failed:
            raise PieceError(failures(failed, wanted))

    def _submit(self, wanted, digests, store, first, attempt, troubled) -> dict[str, Future]:
        expected, futures, self._first = fingerprint(), {}, {}
        workers = None
        if troubled:
            workers = sorted(set(self.client.scheduler_info()["workers"]) - troubled)
        for piece in wanted:
            needed = [futures[n.identity] for n in piece.needs if n.identity in futures]
            key = _key(piece, store, attempt)
            self._first[key] = first[piece.identity]
            futures[piece.identity] = self.client.submit(
                _perform, piece, digests[piece.identity], expected, *needed, key=key, pure=False,
                priority=first[piece.identity], workers=workers,
            )  # fmt: skip
        return futures

    def _wait(self, futures: dict[str, Future], line: PiecesLine) -> dict[str, BaseException]:
        """Wait for all; gives the errors of those that failed, by identity."""
        # Not distributed.wait: each call leaves a waiter behind for every future that is not done.
        left, news, failed = dict(futures), threading.Event(), {}
        for future in futures.values():
            future.add_done_callback(lambda _: news.set())
        try:
            while left:
                news.wait(LOOK)
                news.clear()
                ended = [identity for identity, future in left.items() if future.done()]
                for identity in ended:
                    line.done(identity)
                    future = left.pop(identity)
                    if future.status in ("cancelled", "lost"):
                        raise asyncio.CancelledError
                    if future.status == "error":
                        failed[identity] = future.exception()
                    else:  # held, it would be asked for again when the worker that made it is gone
                        future.release()
                if line.due:
                    line.show(self._under_way(), len(self.client.scheduler_info()["workers"]))
        except (*CANCELLED, OSError, RuntimeError) as error:
            raise EngineError(
                f"the scheduler at {self.address} is gone ({type(error).__name__}); all that was "
                "finished is in the store: start it again, and the same command goes on"
            ) from None
        return failed

    def _under_way(self) -> dict[str, str]:
        """Names of the files that are being made, by the worker that makes them."""
        at = {  # what else waits on a worker comes after it
            worker: max(map(str, keys), key=lambda key: self._first.get(key, 0.0))
            for worker, keys in self.client.processing().items()
            if keys
        }
        return {worker: key.removeprefix(TASK).rpartition("-")[0] for worker, key in at.items()}

    def peak_memory(self) -> list[dict[str, Any]]:
        """Each ``worker`` and its ``peak_memory_mib``; nothing of a cluster that is gone."""
        try:
            found = self.client.run(_peak_memory)
        except (*CANCELLED, OSError, TimeoutError):
            return []
        return [{"worker": worker, "peak_memory_mib": found[worker]} for worker in sorted(found)]

    def close(self) -> None:
        self.client.close()


def _key(piece: Piece, store: Path, attempt: int) -> str:
    """Name a task: the same piece asked for by two notebooks that share a store is one task.

    A scheduler remembers what it did for others: it must not take the same piece of another store for
    made, nor the same piece asked for in another way.
    """
    asked = f"{store}\n{piece.request}\n{dict(piece.request.parameters)}\n{attempt}"
    return f"{TASK}{piece.file_name}-{hashlib.sha256(asked.encode()).hexdigest()[:16]}"


@cache
def _engine(address: str) -> Engine:
    return Engine(address)


@cache
def _checked(address: str, store: Path) -> None:
    _engine(address).check(store)


def make(store: Store, missing: Iterable[tuple[Piece, str]]) -> None:
    """Make missing pieces on the workers of the cluster in the environment.

    Parameters
    ----------
    missing
        Each with the digest of its data set, which stands in the store (:mod:`.sharing`).
    """
    address, missing = os.environ[SCHEDULER], list(missing)
    _checked(address, store.root)
    pieces, digests = [p for p, _ in missing], {p.identity: digest for p, digest in missing}
    try:
        _engine(address).make(pieces, digests, store.root)
    except EngineError:  # what is started again at this address is asked anew
        _checked.cache_clear()
        _engine.cache_clear()
        raise
    finally:
        for piece in pieces:
            if store.has(piece):
                store.used[piece.file_name] = store.card(piece) | {"made": True}
