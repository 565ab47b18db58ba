"""Whether a folder can be a build's output."""

from __future__ import annotations

import os

from helpers import paths
from helpers.experiment.provenance import git
from helpers.parameters import ParameterError
from helpers.report.output import Output, read_manifest

# What is the project's own where there is no git to ask, and beside what it knows.
KNOWN = (
    ".ci", ".devcontainer", ".git", ".github", ".venv", "benchmarks", "data", "docker", "docs",
    "helpers", "notebooks", "profiles", "reports", "scripts", "tests",
)  # fmt: skip


def _source_names() -> set[str]:
    """Name what lies at the top of the project and is part of it; ``build`` never is."""
    tracked = (git("ls-files", "-z") or "").split("\0")
    return {*KNOWN, *(name.partition("/")[0] for name in tracked)} - {"", "build"}


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
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise ParameterError(
                f"--output {folder}: a folder was expected, but {path} is a file; "
                "choose another name, or move that file away"
            )
    for name in sorted(_source_names()):
        if folder.is_relative_to((paths.PROJECT / name).resolve()):
            raise ParameterError(
                f"--output {folder}: {name}/ holds the project's sources; "
                f"choose another folder, such as build/{profile}"
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
