"""Where, when, how long and with what a piece was made."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from helpers import paths

THREADS = "TF_NUM_INTRAOP_THREADS"


def provenance() -> Callable[[], dict[str, Any]]:
    """Begin to note; what is returned ends it and gives the notes.

    Returns
    -------
    end
        ``end()`` gives ``started`` (UTC), ``seconds`` of wall time, ``processor_seconds`` of all
        threads, ``cpu``, ``threads``, and the project's ``revision``.
    """
    started, wall, processor_time = now(), time.monotonic(), time.process_time()

    def end() -> dict[str, Any]:
        return {
            "started": started,
            "seconds": round(time.monotonic() - wall, 2),
            "processor_seconds": round(time.process_time() - processor_time, 2),
            "cpu": processor(),
            "threads": threads(),
            "revision": revision(),
        }

    return end


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def cores() -> int:
    """How many of the machine's cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def threads() -> int:
    """How many threads an operation of TensorFlow may take."""
    given = os.environ.get(THREADS, "")
    return int(given) if given.isdigit() and int(given) else cores()


@cache
def processor() -> str:
    """Name the kind of processor, with the widest of its vector instructions that matter here."""
    name, wide = platform.processor() or platform.machine(), ""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            if key.strip() == "flags":
                flags = value.split()
                wide = next((f" ({w})" for w in ("avx512f", "avx2") if w in flags), "")
                break
    except OSError:
        pass
    return name + wide


def git(*arguments: str) -> str | None:
    """Ask git about the project; None where it has no answer."""
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


@cache
def revision() -> str | None:
    """The project's git revision, with ``(modified)`` if files differ from it; None without git."""
    top, head = git("rev-parse", "--show-toplevel"), git("rev-parse", "HEAD")
    if head is None or top is None or Path(top).resolve() != paths.PROJECT:
        return None
    changes = git("status", "--porcelain")
    return head[:12] + (" (modified)" if changes is None or changes else "")
