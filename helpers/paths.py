"""Where the project's files lie."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
NOTEBOOKS = PROJECT / "notebooks"
PROFILES = PROJECT / "profiles"


def project_path(path: str | Path) -> Path:
    """Resolve `path`; a relative one starts at the project root, wherever the caller runs."""
    return (PROJECT / Path(path).expanduser()).resolve()
