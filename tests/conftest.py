"""The small project, and the quick build, for every test that asks for them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from filelock import FileLock
from small_project import Sandbox, make_sandbox


def pytest_configure(config):
    """ART tells which frameworks are not installed."""
    config.addinivalue_line("filterwarnings", "ignore:PyTorch not found:UserWarning")


@pytest.fixture
def sandbox(tmp_path) -> Sandbox:
    """Make the small project, nothing built yet."""
    return make_sandbox(tmp_path / "project")


@pytest.fixture(scope="session")
def built_once(tmp_path_factory) -> tuple[Sandbox, subprocess.CompletedProcess]:
    """Build the small project's report; to be read, not changed."""
    sandbox = make_sandbox(tmp_path_factory.mktemp("built") / "project")
    return sandbox, sandbox.run()


@pytest.fixture
def built(built_once, tmp_path) -> Sandbox:
    """Copy the built project, to be changed freely."""
    return built_once[0].copy(tmp_path / "project")


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Set up an experiment for tests that only ask it: what they share is made once."""
    from small_experiment import experiment  # with TensorFlow

    return experiment(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def quick_build(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """The quick build where users have it: what is there already is reused, and then tested."""
    project = Path(__file__).resolve().parents[1]
    command = [project / "build_report.sh", "quick"]
    lock = tmp_path_factory.getbasetemp().parent / "quick.lock"  # of all workers of xdist
    with FileLock(lock):
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    return project / "build" / "quick", done
