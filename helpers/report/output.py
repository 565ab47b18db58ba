"""The output folder of a build: what lies where in it, and who may write to it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.evaluation.records import records_name
from helpers.files import file_lock
from helpers.parameters import ParameterError, validate
from helpers.profiles import Run
from helpers.vocabulary import CHAPTERS

KERNELS = "kernels"  # name of the log of what they are split off from
FORMAT = "adversarial-examples-report build 1"
ORPHAN_SECONDS = 15.0


@dataclass(frozen=True)
class Output:
    """Names of everything that a build writes."""

    folder: Path

    @property
    def page(self) -> Path:
        return self.folder / "report.html"

    @property
    def rejected(self) -> Path:
        """A page that did not pass its checks."""
        return self.folder / "report.rejected.html"

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.json"

    @property
    def backup(self) -> Path:
        """The manifest once more: it is all that knows what a build of hours has done."""
        return self.folder / "manifest.json.bak"

    @property
    def kernel_lock(self) -> Path:
        """Held by a kernel as long as it lives, even if the build is killed."""
        return self.folder / ".kernel.lock"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def records(self, run: Run) -> Path:
        """The table of a run's records; their arrays lie beside it."""
        parameters = validate(run.chapter, run.parameters).model_dump(mode="json")
        name = records_name(run.chapter, run.dataset, parameters)
        return self.folder / "records" / f"{name}.csv"

    def pieces(self, run: Run) -> Path:
        """The table of what a run used from the store, and what that cost when it was made."""
        return self.records(run).with_suffix(".pieces.csv")

    def notebook(self, slug: str) -> Path:
        """The executed notebook; it exists only when the chapter ran to its end."""
        return self.folder / "notebooks" / f"{slug}.ipynb"

    def partial(self, slug: str) -> Path:
        return self.folder / "notebooks" / f"{slug}.partial.ipynb"

    def failed(self, slug: str) -> Path:
        return self.folder / "notebooks" / f"{slug}.failed.ipynb"

    def log(self, slug: str) -> Path:
        return self.folder / "logs" / f"{slug}.log"

    def parameters(self, run: Run, data_dir: Path | None) -> dict[str, Any]:
        """What is injected into the run's notebook: its parameters, with absolute folders."""
        data = data_dir or paths.project_path(run.parameters["data_dir"])
        folders = {"data_dir": data, "output_dir": self.folder, "store_dir": self.store}
        return {**run.parameters, **{name: str(path) for name, path in folders.items()}}


def is_slug(name: str) -> bool:
    """Tell whether a run can have this name: a chapter's, or a chapter's and a data set's."""
    chapter, dash, dataset = name.partition("-")
    return chapter in CHAPTERS and bool(re.fullmatch(r"[\w-]+" if dash else "", dataset, re.ASCII))


def read_manifest(output: Output) -> dict[str, Any] | None:
    """Read the manifest of the folder's earlier build, or else its last good copy.

    Runs of names that no build has are left out: the manifest may come from elsewhere.

    Returns
    -------
    manifest
        None if no build wrote there, or neither file can be read.
    """
    content = load(output.manifest)
    if isinstance(content, dict) and content and content.get("format") != FORMAT:
        return None  # another tool's
    return next(filter(None, map(_read, (output.manifest, output.backup))), None)


def load(path: Path) -> Any:
    """Read a JSON file; None where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _read(path: Path) -> dict[str, Any] | None:
    content = load(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    runs = content.get("runs")
    # The profile's name becomes part of paths too.
    if not re.fullmatch(r"[\w-]+", str(content.get("profile", ""))) or not isinstance(runs, dict):
        return None
    spent = content.get("spent_seconds")
    return (
        {"status": "unknown", "revision": None, "started": ""}
        | content
        | {
            "spent_seconds": spent if isinstance(spent, int | float) else 0.0,
            "runs": {
                slug: {"parameters": {}, "seconds": None} | run
                for slug, run in runs.items()
                if is_slug(slug) and isinstance(run, dict) and {"name", "status"} <= run.keys()
            },
        }
    )


def given_folder(option: str, path: Path) -> Path:
    """Resolve a folder given on the command line.

    Raises
    ------
    ParameterError
        If the system cannot make a path of it: an unknown user, links in a circle, too long a name.
    """
    try:
        folder = path.expanduser().resolve()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            folder.stat()  # resolve() alone passes over links in a circle from Python 3.13 on
    except (OSError, RuntimeError) as error:
        shown = str(path) if len(str(path)) <= 80 else f"{str(path)[:77]}..."
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise ParameterError(
            f"{option} {shown}: a path to a folder was expected, but the system cannot follow it "
            f"({reason}); give another, such as build/mine"
        ) from None
    return folder


@contextmanager
def locked(output: Output) -> Iterator[None]:
    """Hold the output folder, creating it; a second build in it is refused at once.

    Raises
    ------
    ParameterError
        If another build holds it, or the folder cannot be created or written.
    """
    from filelock import Timeout

    try:
        output.folder.mkdir(parents=True, exist_ok=True)
        lock = file_lock(output.folder / ".lock", timeout=0)
        lock.acquire()
        output.kernel_lock.touch()
    except Timeout:
        raise ParameterError(
            f"another build is running in {output.folder}; wait for it, or give "
            "this one another --output"
        ) from None
    except OSError as error:
        raise ParameterError(
            f"--output {output.folder} cannot be written ({error.strerror}); "
            "choose a folder of your own"
        ) from None
    try:
        _wait_for_orphan(output)
        yield
    finally:
        lock.release()


def _wait_for_orphan(output: Output) -> None:
    """Let the kernel of a killed build end, as it does within a second or so, before it writes."""
    with output.kernel_lock.open("wb") as file:
        for _ in range(round(ORPHAN_SECONDS / 0.2)):
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.2)
    raise ParameterError(
        f"a kernel of an earlier, killed build still runs in {output.folder}; "
        "end it (an ipykernel process), or choose another --output"
    )
