"""The kernel of a notebook: this very interpreter, its memory followed, always stopped."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import psutil

from helpers import paths
from helpers.bars import IN_JUPYTER
from helpers.code import ONEDNN
from helpers.report.fork_server import ForkServer, possible

KERNEL = "python3"

# What most chapters import; none of it computes anything while it is imported.
IMPORTED = ("helpers.figures", "helpers.experiment.experiment", "helpers.experiment.scores")

# Variables of the caller's, by how they begin, that change results or what runs; and those of them that
# only spread the work, or that the stamps and the store know.
FOREIGN = (
    "PYTHON",
    "IPYTHON",
    "KERAS_",
    "TF_",
    "XLA_",
    "ONEDNN_",
    "DNNL_",
    "MPLBACKEND",
    "MATPLOTLIBRC",
    IN_JUPYTER,
)
KEPT = (*ONEDNN, "TF_CPP_MIN_LOG_LEVEL", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
        "TF_FORCE_GPU_ALLOW_GROWTH")  # fmt: skip


class ChapterFailed(Exception):
    """A notebook did not run to its end.

    Attributes
    ----------
    cell
        Which cell, in words.
    error
        The last lines of the error.
    """

    def __init__(self, cell: str, error: str):
        super().__init__(f"{cell}: {error}")
        self.cell, self.error = cell, error
        self.seconds, self.peak_memory_mib = 0.0, 0


def memory_limit() -> int:
    """Bytes of memory that this machine, or the container this runs in, has."""
    total = psutil.virtual_memory().total
    try:
        return min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8")))
    except (OSError, ValueError):  # no container, or "max"
        return total


class MemoryWatch(threading.Thread):
    """Follow the memory of a kernel and its children.

    The kernel's own high-water mark is kept by Linux itself, so that a peak between two looks is
    not missed; elsewhere, and for children, the largest of the looks counts.
    """

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.pid, self.peak = pid, 0
        self._ended = threading.Event()
        self.least_available = psutil.virtual_memory().available

    def look(self) -> None:
        self.least_available = min(self.least_available, psutil.virtual_memory().available)
        try:
            kernel = psutil.Process(self.pid)  # which may have died at once
            family = [kernel, *kernel.children(recursive=True)]
            total = sum(process.memory_info().rss for process in family)
        except psutil.Error:
            return
        self.peak = max(self.peak, total, self._high_water_mark())

    def _high_water_mark(self) -> int:
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        except OSError:
            return 0
        found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) * 1024 if found else 0

    def run(self) -> None:
        while not self._ended.is_set():
            self.look()
            self._ended.wait(0.5)

    def mebibytes(self) -> int:
        return round(self.peak / 2**20)

    def stop(self) -> None:
        self.look()
        self._ended.set()


def environment(home: Path) -> dict[str, str]:
    """Give a kernel's environment: the caller's, but for settings of the tools, which are in `home`.

    Pretrained weights, which Keras keeps beside its settings, are the caller's still.
    """
    (home / "keras").mkdir()
    (home / "matplotlibrc").touch()
    weights = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    with contextlib.suppress(OSError):  # a home that cannot be written
        weights.mkdir(parents=True, exist_ok=True)
        (home / "keras" / "models").symlink_to(weights.resolve())
    kept = {n: v for n, v in os.environ.items() if n in KEPT or not n.startswith(FOREIGN)}
    return kept | {
        "PYTHONNOUSERSITE": "1",
        "IPYTHONDIR": str(home / "ipython"),
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(home / "keras"),
        "MATPLOTLIBRC": str(home / "matplotlibrc"),
    }


_RUNNING: set[Any] = set()  # managers of the kernels under way


def kill_all() -> None:
    """End every kernel under way; what runs in it fails."""
    for manager in list(_RUNNING):
        with contextlib.suppress(OSError, AttributeError):  # it has just ended
            os.kill(manager.provisioner.pid, signal.SIGKILL)


class _Nursery:
    """The process that kernels are split off from, started anew where it died or the library changed."""

    def __init__(self, home: Path, log: Path):
        self.env, self.log = environment(home), log
        self._server: ForkServer | None = None
        self._changing = threading.Lock()
        self.outgrown: list[ForkServer] = []  # kernels of theirs may still be at work

    def server(self) -> ForkServer:
        with self._changing:
            if self._server is None or not self._server.fits():
                if self._server is not None:
                    self.outgrown.append(self._server)
                self._server = ForkServer(IMPORTED, self.env, self.log)
            return self._server

    def close(self) -> None:
        for server in filter(None, (*self.outgrown, self._server)):
            server.close()


@contextmanager
def split_off(log: Path) -> Iterator[None]:
    """Split the kernels that are started meanwhile off one process, where that is possible.

    Parameters
    ----------
    log
        File for what that process prints itself.
    """
    global _nursery
    if not possible():
        yield
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kernels-", ignore_cleanup_errors=True) as home:
        _nursery = _Nursery(Path(home), log)
        try:
            yield
        finally:
            _nursery.close()
            _nursery = None


_nursery: _Nursery | None = None


def _splitting(manager: Any, nursery: _Nursery) -> Any:
    """Let a kernel manager split its kernel off, instead of starting it."""
    from jupyter_client.provisioning import LocalProvisioner

    class Splitting(LocalProvisioner):
        async def launch_kernel(self, cmd, **kwargs):
            self.process = nursery.server().fork(
                cmd,
                kwargs["env"],
                str(kwargs["cwd"]),
                kwargs["stdout"].fileno(),
                kwargs["pass_fds"][0],
            )
            self.pid = self.pgid = self.process.pid
            self.cwd = kwargs["cwd"]
            return self.connection_info

    return Splitting(kernel_id=manager.kernel_id, kernel_spec=manager.kernel_spec, parent=manager)


@contextmanager
def kernel(log: TextIO, lock: Path) -> Iterator[Any]:
    """Start a kernel of this interpreter, and stop it whatever happens.

    A kernelspec of the same name elsewhere on the machine may start another interpreter, so only
    this environment's own folder is looked up. If this process is killed, the kernel ends itself
    a second later; it holds the file `lock` until then.
    """
    from jupyter_client.asynchronous import AsyncKernelClient
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import KernelManager

    own = KernelSpecManager(kernel_dirs=[str(Path(sys.prefix) / "share/jupyter/kernels")])
    manager = KernelManager(
        kernel_name=KERNEL,
        kernel_spec_manager=own,
        transport_encryption="auto",
        client_class=f"{AsyncKernelClient.__module__}.{AsyncKernelClient.__name__}",
    )
    at_once = True
    home = tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True)
    try:
        try:
            with lock.open("ab") as held:
                fcntl.flock(held, fcntl.LOCK_SH)
                if _nursery is not None:
                    manager.provisioner = _splitting(manager, _nursery)
                manager.start_kernel(
                    stdout=log,
                    stderr=log,
                    pass_fds=[held.fileno()],
                    cwd=str(paths.PROJECT),
                    env=environment(Path(home.name)),
                    extra_arguments=["--HistoryManager.hist_file=:memory:"],
                )
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            raise ChapterFailed("the start of the kernel", told) from error
        _RUNNING.add(manager)
        yield manager
        at_once = False
    finally:
        _RUNNING.discard(manager)
        if manager.has_kernel:
            manager.shutdown_kernel(now=at_once)
        home.cleanup()
