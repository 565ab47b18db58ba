"""Files that are written whole or not at all, what is in them, and which of them are this project's."""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

LOCK_PATIENCE = 5.0  # seconds that a process waits for another's lock before it says so
STALE_SECONDS = 24 * 3600

# Names that this project gives; whatever is called otherwise is its reader's.
RECORD = r"dataset-[\w-]+\.json|[\w-]+-[0-9a-f]{10}\.(?:json|npz)"
PIECE = r".+-[0-9a-f]{16}\.(?:keras|npz)"
CHECKPOINT_FILES = ("state.json", "now.npz", "adam.npz", "best.npz")


def write_atomically(path: Path, content: str | bytes, *, durable: bool = False) -> None:
    """Write so that a reader, or a crash, sees the old file or the new one, never a part.

    Text is written as UTF-8; missing folders are made. With `durable` that holds for a crash of the
    machine too, at the price of waiting for the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}.{os.getpid()}.", suffix=".tmp"
    )
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.chmod(0o644)  # mkstemp's 0600 would hide the file from others
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        except OSError:
            pass  # not every file system can, and the file itself is safe
        finally:
            os.close(folder)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_lock(path: Path, **options: Any):
    """Make a lock that ends with its process; a file system without such locks is an error.

    filelock would else take the mere existence of the file for the lock, and a killed process
    would hold it for ever.
    """
    from filelock import BaseFileLock, FileLock  # a command line that locks nothing need not wait

    if "fallback_to_soft" in inspect.signature(BaseFileLock.__init__).parameters:
        options["fallback_to_soft"] = False
    return FileLock(path, **options)


def record_files(folder: Path) -> list[Path]:
    """List the files in a run's folder of records that a build wrote, and so may remove, sorted."""
    if not folder.is_dir():
        return []
    return [p for p in sorted(folder.iterdir()) if re.fullmatch(RECORD, p.name) and p.is_file()]


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that holds nothing; one that holds something is its reader's."""
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()


def remove_records(folder: Path) -> None:
    """Remove a run's records; other files in their folder stay, and then the folder too."""
    for path in record_files(folder):
        path.unlink()
    remove_if_empty(folder)


def remove_checkpoint(folder: Path) -> None:
    """Remove the parked state of a training."""
    if folder.is_dir() and not folder.is_symlink():
        for name in CHECKPOINT_FILES:
            (folder / name).unlink(missing_ok=True)
        remove_if_empty(folder)


def remove_left_overs(folder: Path, names: str) -> None:
    """Remove what killed processes had begun to write in a folder, under names of this project.

    Parameters
    ----------
    folder
        Where to look; not below it.
    names
        Regular expression of the names that were to be written.
    """
    kinds = (
        rf"\.(?:{names})(?:\.(?P<pid>\d+))?\.[a-z0-9_]{{8}}\.tmp",  # write_atomically
        rf"(?:{PIECE})\.checkpoint\.(?P<pid>\d+)\.part",  # a training's parked state
        r".+-[0-9a-f]{16}\.(?P<pid>\d+)\.part\.(?:keras|npz)",  # the store
    )
    for path in folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ():
        found = next(filter(None, (re.fullmatch(kind, path.name) for kind in kinds)), None)
        if found and _is_stale(path, found["pid"]):
            remove_checkpoint(path) if path.is_dir() else path.unlink(missing_ok=True)


def _is_stale(path: Path, pid: str | None) -> bool:
    try:
        if time.time() - path.lstat().st_mtime > STALE_SECONDS:
            return True
        if pid is None:
            return False
        os.kill(int(pid), 0)
    except (ProcessLookupError, FileNotFoundError):
        return True
    except (OSError, OverflowError):  # it lives, under another user
        return False
    return False
