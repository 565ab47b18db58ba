"""The project's own files, as far as git knows them."""

from __future__ import annotations

from helpers.experiment.provenance import git

# Where there is no git to ask, and beside what it knows: its own folder, and the environment.
KNOWN = (
    ".ci", ".devcontainer", ".git", ".github", ".venv", "benchmarks", "data", "docker", "docs",
    "helpers", "notebooks", "profiles", "reports", "scripts", "tests",
)  # fmt: skip


def source_names() -> set[str]:
    """Name what lies at the top of the project and is part of it; ``build`` never is."""
    tracked = (git("ls-files", "-z") or "").split("\0")
    return {*KNOWN, *(name.partition("/")[0] for name in tracked)} - {"", "build"}
