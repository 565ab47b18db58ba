"""Kernels that are split off one process: they end with it, and have the library as it is."""

import os
import signal
import time
from contextlib import ExitStack

import psutil
import pytest

from helpers.report import fork_server, kernel

pytestmark = pytest.mark.skipif(not fork_server.possible(), reason="splitting needs Linux")


@pytest.fixture
def start(tmp_path, monkeypatch):
    """``start()`` gives a kernel's process, split off one that has imported nothing of note."""
    monkeypatch.setattr(kernel, "IMPORTED", ())
    state = fork_server.library_state()  # whatever is edited meanwhile
    monkeypatch.setattr(fork_server, "library_state", lambda: state)
    (tmp_path / "lock").touch()
    with ExitStack() as stack:
        stack.enter_context(kernel.split_off(tmp_path / "logs" / "kernels.log"))
        log = stack.enter_context((tmp_path / "kernel.log").open("w"))

        def one():
            manager = stack.enter_context(kernel.kernel(log, tmp_path / "lock"))
            return manager.provisioner.process

        yield one


def ended(process, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)
    return process.poll()


def test_kernels_have_one_parent_and_their_own_ends(start):
    first, second = start(), start()
    server = psutil.Process(first.pid).parent()
    assert server == psutil.Process(second.pid).parent()
    assert server.ppid() == os.getpid()
    assert first.poll() is None
    first.kill()
    assert first.wait(10) == -signal.SIGKILL
    assert second.poll() is None


def test_kernels_end_with_the_process_and_the_next_one_has_another(start):
    first = start()
    itself = psutil.Process(first.pid)
    server = itself.parent()
    server.kill()
    assert ended(first) == -signal.SIGKILL
    _, alive = psutil.wait_procs([itself], 10)
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in alive)
    second = start()
    assert second.poll() is None
    assert psutil.Process(second.pid).parent() != server


def test_a_changed_library_is_imported_anew(start, monkeypatch):
    first = start()
    before = fork_server.library_state()
    monkeypatch.setattr(fork_server, "library_state", lambda: before | {"helpers/new.py": 1})
    second = start()
    assert psutil.Process(first.pid).parent() != psutil.Process(second.pid).parent()
    assert first.poll() is None
    third = start()
    assert psutil.Process(second.pid).parent() == psutil.Process(third.pid).parent()


def test_nothing_is_left_when_all_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "IMPORTED", ())
    (tmp_path / "lock").touch()
    with ExitStack() as stack:
        stack.enter_context(kernel.split_off(tmp_path / "log"))
        log = stack.enter_context((tmp_path / "out").open("w"))
        manager = stack.enter_context(kernel.kernel(log, tmp_path / "lock"))
        process = manager.provisioner.process
        server = psutil.Process(process.pid).parent()
    assert process.poll() is not None
    assert not server.is_running()
