"""Whether a folder can be a build's output, and what an earlier build left in it."""

from __future__ import annotations

import os
from typing import Any

from helpers import paths
from helpers.experiment.provenance import git
from helpers.parameters import ParameterError
from helpers.report import stamps
from helpers.report.output import FORMAT, Output, is_foreign, is_slug, load, read_manifest

# What is the project's own where there is no git to ask, and beside what it knows.
KNOWN = (
    ".ci", ".devcontainer", ".git", ".github", ".venv", "benchmarks", "data", "docker", "docs",
    "helpers", "notebooks", "profiles", "reports", "scripts", "tests",
)  # fmt: skip


def earlier_build(output: Output, profile: str) -> dict[str, Any] | None:
    """Read what is known of the folder's earlier build; None if no build wrote there.

    Where its manifest and the copy are lost, the executed notebooks tell: each carries a stamp.

    Parameters
    ----------
    profile
        Taken for notebooks whose stamp names none.
    """
    found = read_manifest(output)
    content = load(output.manifest)
    if found is not None or (content and is_foreign(content)):
        return found
    notebooks = (output.folder / "notebooks").glob("*.ipynb")
    slugs = sorted(path.stem for path in notebooks if is_slug(path.stem))
    entries = {slug: entry for slug in slugs if (entry := stamps.read(output, slug))}
    if not entries:
        return None
    profiles = {str(entry.get("profile", profile)) for entry in entries.values()}
    return {
        "format": FORMAT,
        "profile": min(profiles - {profile}, default=profile),  # another's is to be noticed
        "status": "interrupted",
        "spent_seconds": sum(entry.get("seconds") or 0.0 for entry in entries.values()),
        "runs": {
            slug: {
                "name": slug.replace("-", ":", 1),
                "status": "kept",
                "seconds": entry.get("seconds"),
            }
            for slug, entry in entries.items()
        },
    }


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
    earlier = earlier_build(output, profile)
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
