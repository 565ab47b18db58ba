"""What a build is asked to do, read from its arguments and validated before anything runs."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.data import DATASETS
from helpers.experiment.provenance import cores
from helpers.files import trouble
from helpers.parameters import ParameterError
from helpers.profiles import Profile, Run, load_profile, parse_set
from helpers.report import stamps
from helpers.report.folder import check_folder
from helpers.report.kernel import memory_limit
from helpers.report.output import Output, given_folder

# Parameters that an option of their own sets, or that say which run it is.
OWN_OPTION = {
    "data_dir": "--data-dir DIR",
    "output_dir": "--output DIR",
    "store_dir": "--output DIR (the store is a folder in it)",
    "allow_expensive": "--allow-expensive",
    "profile": "the build's first argument",
    "dataset": "--only CHAPTER:DATASET, or the runs of a profile",
}

MOST_KERNELS = 4  # beside workers, for whom they wait
# Where they do the work: one alone leaves a core idle while it starts, draws and compiles.
USUAL_KERNELS = 2
KERNEL_MEMORY = 4 * 2**30  # bytes that one of them may take


@dataclass(frozen=True)
class Job:
    """What was asked for, already validated."""

    profile: Profile  # all of its runs
    selected: frozenset[str]  # names of the runs to make sure of
    output: Output
    data_dir: Path | None
    keep_going: bool = False
    fresh: bool = False
    workers: int = 0  # local ones, 0 for none
    cluster: str = ""  # address, or file of a scheduler, of one that is there

    @property
    def at_once(self) -> int:
        """How many chapters run side by side."""
        if self.workers or self.cluster:
            return min(self.workers or MOST_KERNELS, MOST_KERNELS)
        return max(1, min(USUAL_KERNELS, cores(), memory_limit() // KERNEL_MEMORY))

    def data_path(self, run: Run) -> Path:
        return self.data_dir or paths.project_path(run.parameters["data_dir"])

    def runs(self) -> list[Run]:
        return [run for run in self.profile.runs if run.name in self.selected]

    def stamp(self, run: Run) -> dict[str, str]:
        others = tuple(other for other in self.profile.runs if other.slug != run.slug)
        return stamps.stamp(run, self.output, self.data_path(run), others)

    def outdated(self, run: Run) -> list[str] | None:
        """Why the run's executed notebook cannot be reused: [] if it can, None if there is none."""
        entry = stamps.read(self.output, run.slug)
        return stamps.outdated(entry, self.stamp(run), self.output)


def why(causes: list[str] | None) -> str:
    return "not built yet" if causes is None else f"changed: {', '.join(causes)}"


def _overrides(texts: tuple[str, ...]) -> dict[str, Any]:
    values = {}
    for text in texts:
        name, value = parse_set(text)
        if name in OWN_OPTION:
            raise ParameterError(f"--set {name} does not fit: use {OWN_OPTION[name]}")
        if name in values:
            raise ParameterError(
                f"--set {name} is given twice, as {values[name]} and as {value}; give it once"
            )
        values[name] = value
    return values


def _absolute(path: Path) -> Path:
    # realpath and not resolve, which fails on a link that leads back to itself.
    return Path(os.path.realpath(os.path.expanduser(path)))  # noqa: PTH111


def _data_folder(path: Path | None) -> Path | None:
    if path is None:
        return None
    folder = _absolute(path)
    try:
        found = "" if stat.S_ISDIR(folder.stat().st_mode) else "a folder was expected, not a file"
        if not found:
            os.scandir(folder).close()
    except FileNotFoundError:
        found = "no such folder"
    except OSError as error:
        found = trouble(error)
    if found:
        *some, last = (f"{spec.folder}/" for spec in DATASETS.values() if spec.folder)
        raise ParameterError(
            f"--data-dir {folder}: {found}; give the folder that holds {', '.join(some)} and {last}"
        )
    return folder


def plan(
    profile: str,
    only: tuple[str, ...],
    overrides: tuple[str, ...],
    data_dir: Path | None,
    output: Path | None,
    *,
    keep_going: bool = False,
    fresh: bool = False,
    allow_expensive: bool = False,
    workers: int = 0,
    cluster: str = "",
) -> Job:
    """Read the arguments into a job.

    Raises
    ------
    ParameterError
        If anything does not exist or fit.
    """
    values = _overrides(overrides)
    if allow_expensive:
        values["allow_expensive"] = True
    whole = load_profile(profile, overrides=values)
    names = [run.name for run in whole.runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise ParameterError(
            f"{profile}.yaml: "
            + (f"{', '.join(twice)} is listed twice" if twice else "its list of runs is empty")
        )
    chosen = load_profile(profile, overrides=values, only=only) if only else whole
    folder = given_folder("--output", output or paths.PROJECT / "build" / profile)
    job = Job(
        whole,
        frozenset(run.name for run in chosen.runs),
        Output(folder),
        _data_folder(data_dir),
        keep_going=keep_going,
        fresh=fresh,
        workers=workers,
        cluster=cluster,
    )
    check_folder(job.output, profile, fresh=fresh)
    return job
