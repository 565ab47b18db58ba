"""The project's own files, as far as git knows them."""

from __future__ import annotations

import subprocess

from helpers import settings

# Where there is no git to ask, and beside what it knows: its own folder, and the environment.
KNOWN = (
    ".ci", ".git", ".github", ".venv", "benchmarks", "data", "helpers", "notebooks", "profiles",
    "reports", "tests",
)  # fmt: skip


def git(*arguments: str) -> str | None:
    """Ask git about the project; None where it has no answer."""
    try:
        done = subprocess.run(
            ["git", "-C", str(settings.PROJECT), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def source_names() -> set[str]:
    """Name what lies at the top of the project and is part of it; ``build`` never is."""
    tracked = (git("ls-files", "-z") or "").split("\0")
    return {*KNOWN, *(name.partition("/")[0] for name in tracked)} - {"", "build"}
