"""Tell whether this Python's environment may stand in for .venv; else what it lacks, and exit code 1.

    python -I scripts/satisfies.py

It may with the versions that environment.yml names (those of requirements.lock for what pyproject.toml
asks for itself) and with this project installed from here. What these bring along may be newer.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def lacking() -> list[str]:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return ["Python 3.11 to 3.13"]
    import tomllib  # came with 3.11

    table = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*table["dependencies"], *table["optional-dependencies"]["dev"]]
    names = {re.split(r"[<>=]", requirement)[0] for requirement in asked}
    lock = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    locked: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9.-]+)==([^\s;]+)", lock, re.M):
        locked.setdefault(name, []).append(version)
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ""
    lacks = [
        f"{name}=={locked[name][0]}" for name in sorted(names) if found[name] not in locked[name]
    ]
    library = find_spec("helpers")
    if library is None or Path(library.origin or "").resolve().parents[1] != PROJECT:
        lacks.append("the project itself (pip install --no-deps -e .)")
    return lacks


if __name__ == "__main__":
    if lacks := lacking():
        more = f" and {len(lacks) - 3} more" if len(lacks) > 3 else ""
        sys.exit(", ".join(lacks[:3]) + more)
