"""A process that has imported what notebooks need, and splits off a kernel whenever one is asked for.

Importing TensorFlow costs eight processor seconds, for each chapter anew; a copy of a process that has
done so costs milliseconds. TensorFlow starts its threads with the first operation, and there is none
before the split. Only Linux allows this safely; elsewhere each kernel is started from nothing.

Run as ``python -m helpers.report.fork_server SOCKET MODULE...``, it reads requests from that descriptor,
each with the files that become the kernel's output and its lock. It ends with whoever started it, and
its kernels with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from helpers import paths

LIBRARY = Path(__file__).resolve().parents[1]
MOST = 2**20  # bytes of a message
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG
INLINE = (
    "module://matplotlib_inline.backend_inline"  # what ipykernel sets before matplotlib is imported
)


# Who asks ---------------------------------------------------------------------------------------


def possible() -> bool:
    return sys.platform == "linux"


class ForkedKernel:
    """A kernel that was split off, with what `subprocess.Popen` offers of it."""

    stdin = stdout = stderr = None

    def __init__(self, server: ForkServer, pid: int):
        self.pid, self._server = pid, server

    @property
    def returncode(self) -> int | None:
        return self._server.ended.get(self.pid)

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        with self._server.news:
            if not self._server.news.wait_for(lambda: self.returncode is not None, timeout):
                raise subprocess.TimeoutExpired("kernel", timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process, from here.

    Parameters
    ----------
    modules
        What it imports.
    env
        Its environment: settings of the libraries that are read when they are imported.
    log
        For what it prints itself.
    """

    def __init__(self, modules: Sequence[str], env: Mapping[str, str], log: Path):
        self.state = library_state()
        self.ended: dict[int, int] = {}
        self.news = threading.Condition()
        self._answers: Queue[int] = Queue()
        self._asking = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = theirs.fileno()
        with theirs, log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(number), *modules],
                env=dict(env) | {"MPLBACKEND": INLINE}, cwd=paths.PROJECT, pass_fds=[number],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def fits(self) -> bool:
        """Whether it is there, and what it has imported is what stands in the files."""
        return self.process.poll() is None and self.state == library_state()

    def fork(
        self, command: Sequence[str], env: Mapping[str, str], cwd: str, output: int, lock: int
    ) -> ForkedKernel:
        """Split off a kernel; raises OSError if the server has ended.

        Parameters
        ----------
        command
            ``python -m ipykernel_launcher ...``, of which the arguments count.
        output, lock
            Descriptors: what the kernel prints to, and what it holds as long as it lives.
        """
        with self._asking:
            asked = json.dumps([list(command[3:]), dict(env), cwd]).encode()
            socket.send_fds(self._socket, [asked], [output, lock])
            while True:
                try:
                    return ForkedKernel(self, self._answers.get(timeout=0.5))
                except Empty:
                    if not self._listener.is_alive():
                        raise OSError("the process that kernels are split off from ended") from None

    def _listen(self) -> None:
        while True:
            try:
                told = self._socket.recv(MOST)
            except OSError:
                told = b""
            if not told:
                break
            pid, status = json.loads(told)
            if status is None:
                self.ended.pop(pid, None)  # a number that another kernel had
                self._answers.put(pid)
            else:
                with self.news:
                    self.ended[pid] = status
                    self.news.notify_all()
        with self.news:  # its kernels die with it
            self.ended = _All(self.ended)
            self.news.notify_all()

    def close(self) -> None:
        """End it, with the kernels that are still there."""
        self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._socket.close()


class _All(dict):
    """Exit codes by process, where everything has ended."""

    def get(self, pid: int, default: Any = None) -> int:
        return super().get(pid, -signal.SIGKILL)


def library_state() -> dict[str, int]:
    """When each file of the library was last changed."""
    found = {}
    for path in LIBRARY.rglob("*.py"):
        with contextlib.suppress(FileNotFoundError):  # it is just being replaced
            found[str(path)] = path.stat().st_mtime_ns
    return found


# The process itself -----------------------------------------------------------------------------


def serve(number: int, modules: Sequence[str]) -> None:
    """Import, then split off kernels until the other end is closed."""
    asked = socket.socket(fileno=number)
    for name in ("ipykernel.kernelapp", *modules):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else the first collection in each kernel copies all that was imported
    ended, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as selector:
        selector.register(asked, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is ended:
                    ended.recv(4096)
                    _reap(asked)
                elif not _split_off(asked, (ended, wake)):
                    return


def _reap(asked: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        asked.send(json.dumps([pid, os.waitstatus_to_exitcode(status)]).encode())


def _split_off(asked: socket.socket, others: Sequence[socket.socket]) -> bool:
    """Answer one request; False if there will be no more."""
    text, files, _, _ = socket.recv_fds(asked, MOST, 2)
    if not text:
        return False
    arguments, env, cwd = json.loads(text)
    server = os.getpid()
    pid = os.fork()
    if pid:
        for file in files:
            os.close(file)
        asked.send(json.dumps([pid, None]).encode())
        return True
    try:
        _become_kernel(server, files[0], (asked, *others), arguments, env, cwd)
    finally:
        os._exit(1)


def _become_kernel(server, output, sockets, arguments, env, cwd) -> None:
    ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for one in sockets:
        one.close()
    os.setsid()
    for number in (1, 2):
        os.dup2(output, number)
    os.environ.clear()
    os.environ.update(env | {"JPY_PARENT_PID": str(server), "MPLBACKEND": INLINE})
    os.chdir(cwd)
    # The variable was read when ipykernel was imported; with it a kernel looks for its parent itself.
    sys.argv = ["ipykernel_launcher", *arguments, f"--IPKernelApp.parent_handle={server}"]
    from ipykernel import kernelapp

    code = 0
    try:
        kernelapp.launch_new_instance()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2:])
