"""Where the project's files lie."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
NOTEBOOKS = PROJECT / "notebooks"
PROFILES = PROJECT / "profiles"


def project_path(path: str | Path) -> Path:
    """Resolve `path`; a relative one starts at the project root, wherever the caller runs."""
    # realpath and not resolve, which fails on a link that leads back to itself.
    return Path(os.path.realpath(PROJECT / os.path.expanduser(path)))  # noqa: PTH111
