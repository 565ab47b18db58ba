"""The manifest: with what a build was made, and what each of its runs took."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from helpers import paths
from helpers.files import write_atomically
from helpers.profiles import Profile, Run
from helpers.report.output import FORMAT, Output
from helpers.report.stamps import NO_RESULT

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "matplotlib", "adversarial-robustness-toolbox",
            "papermill", "nbconvert")  # fmt: skip
PROJECT_PACKAGE = "adversarial-examples-report"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(paths.PROJECT), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def revision() -> str | None:
    """The project's git revision, with ``(modified)`` if files differ from it; None without git."""
    top, head = _git("rev-parse", "--show-toplevel"), _git("rev-parse", "HEAD")
    if head is None or top is None or Path(top).resolve() != paths.PROJECT:
        return None
    changes = _git("status", "--porcelain")
    return head[:12] + (" (modified)" if changes is None or changes else "")


def versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in (*PACKAGES, PROJECT_PACKAGE):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    found["project"] = found.pop(PROJECT_PACKAGE)
    return found


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "platform": platform.platform(),
        "cpu": processor(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_mib": round(psutil.virtual_memory().total / 2**20),
    }


def start(profile: Profile) -> dict[str, Any]:
    """Begin the manifest of a build."""
    return {
        "format": FORMAT,
        "profile": profile.name,
        "purpose": profile.purpose,
        "status": "running",
        "revision": revision(),
        "started": now(),
        "ended": None,
        "spent_seconds": 0.0,  # working, with all that was interrupted and done again
        "versions": versions(),
        "machine": machine(),
        "datasets": [],
        "runs": {},
    }


def run_entry(run: Run, status: str, **values: Any) -> dict[str, Any]:
    """One run of the manifest; folders are left out, for they say nothing about the result."""
    parameters = {key: value for key, value in run.parameters.items() if key not in NO_RESULT}
    return {
        "chapter": run.chapter,
        "dataset": run.dataset,
        "name": run.name,
        "status": status,
        "parameters": parameters,
        **values,
    }


def datasets(output: Output, slugs: list[str]) -> list[dict[str, Any]]:
    """Collect what the chapters recorded of their data sets: which, how many images, what digest."""
    found: dict[tuple, dict[str, Any]] = {}
    for slug in slugs:
        for path in sorted(output.records(slug).glob("dataset*.json")):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            for entry in content if isinstance(content, list) else [content]:
                if isinstance(entry, Mapping) and "name" in entry:
                    names = ("name", "label", "status", "digest", "n_train", "n_test")
                    kept = {key: entry.get(key) for key in names}
                    found.setdefault(tuple(map(str, kept.values())), kept)
    return list(found.values())


def write(output: Output, manifest: Mapping[str, Any]) -> None:
    write_atomically(
        output.manifest, json.dumps(manifest, indent=1, ensure_ascii=False, default=str) + "\n"
    )
