"""The output folder of a build: what lies where in it, who may write to it, and what is removed."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.parameters import ParameterError
from helpers.profiles import Run

FORMAT = "adversarial-examples-report build 1"
ORPHAN_SECONDS = 15.0
FOLDERS = ("notebooks", "records", "logs", "figures", "tables")
SOURCES = ("helpers", "notebooks", "profiles", "tests", "benchmarks", "data", ".git", ".venv")


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
    def kernel_lock(self) -> Path:
        """Held by a kernel as long as it lives, even if the build is killed."""
        return self.folder / ".kernel.lock"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def records(self, slug: str) -> Path:
        return self.folder / "records" / slug

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


def read_manifest(output: Output) -> dict[str, Any] | None:
    """Read the manifest of the folder's earlier build; None if no build wrote there."""
    try:
        content = json.loads(output.manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("format") == FORMAT else None


def check_folder(output: Output, profile: str, *, fresh: bool) -> None:
    """Refuse an output folder that cannot be written, or that is not a build's own.

    Raises
    ------
    ParameterError
        If the folder is a file, cannot be written, is part of the project's sources, holds another
        profile's build (without `fresh`), or files of a build's names that no build wrote.
    """
    folder = output.folder
    if folder == paths.PROJECT or folder in paths.PROJECT.parents:
        raise ParameterError(
            f"--output {folder}: that folder holds the project itself; "
            f"choose one below it, such as build/{profile}"
        )
    for name in SOURCES:
        if folder.is_relative_to(paths.PROJECT / name):
            raise ParameterError(
                f"--output {folder}: {name}/ holds the project's sources; "
                f"choose another folder, such as build/{profile}"
            )
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise ParameterError(
                f"--output {folder}: a folder was expected, but {path} is a file; "
                "choose another name, or move that file away"
            )
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ParameterError(
            f"--output {folder}: {existing} cannot be written; choose a folder of your own"
        )
    earlier = read_manifest(output)
    if earlier is not None:
        if earlier["profile"] != profile and not fresh:
            raise ParameterError(
                f"--output {folder} holds a build of the profile {earlier['profile']!r}, and its "
                f"records would mix with those of {profile!r}; choose another --output, or replace "
                "it with --fresh"
            )
        return
    # Notebooks run by themselves keep their models, figures and tables here before any build.
    names = ("manifest.json", "report.html", "notebooks", "records", "logs")
    foreign = [name for name in names if (folder / name).exists()]
    if foreign:
        raise ParameterError(
            f"--output {folder} holds {', '.join(foreign)}, which no build wrote; "
            "choose an empty or a new folder"
        )


@contextmanager
def locked(output: Output) -> Iterator[None]:
    """Hold the output folder, creating it; a second build in it is refused at once.

    Raises
    ------
    ParameterError
        If another build holds it, or the folder cannot be created or written.
    """
    from filelock import FileLock, Timeout

    try:
        output.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(output.folder / ".lock", timeout=0)
        lock.acquire()
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
    with output.kernel_lock.open("w") as file:
        for _ in range(round(ORPHAN_SECONDS / 0.2)):
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.2)
    raise ParameterError(
        f"a kernel of an earlier, killed build still runs in {output.folder}; "
        "end it (an ipykernel process), or choose another --output"
    )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_run(output: Output, slug: str) -> None:
    """Remove everything of one run, the executed notebook first: what vouches for the rest."""
    notebooks = (output.notebook(slug), output.partial(slug), output.failed(slug))
    drawn = [path for notebook in notebooks for path in _drawn(output, notebook)]
    for path in (*notebooks, output.records(slug), output.log(slug), *drawn):
        _remove(path)


def _drawn(output: Output, notebook: Path) -> Iterator[Path]:
    """Find the files of the figures and tables that an executed notebook shows."""
    if notebook.is_file():
        for name in set(
            re.findall(r'<figure id=\\"([\w-]+)', notebook.read_text(encoding="utf-8"))
        ):
            yield from output.folder.glob(f"figures/{name}.*")
            yield from output.folder.glob(f"tables/{name}.*")


def clear(output: Output, slugs: Iterable[str]) -> None:
    """Remove what builds wrote in the folder, and nothing else.

    The manifest goes last: a folder that still has one is recognised as a build's by a restart.
    """
    for slug in slugs:
        remove_run(output, slug)
    drawn = [*output.folder.glob("figures/figure-*"), *output.folder.glob("tables/table-*")]
    for path in (output.page, output.rejected, output.store, *drawn):
        _remove(path)
    for name in FOLDERS:
        folder = output.folder / name
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    _remove(output.manifest)
