"""Files: written whole or not at all, whose they are, and why some cannot be read."""

from __future__ import annotations

import errno
import hashlib
import inspect
import os
import re
import stat
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOCK_PATIENCE = 5.0  # seconds that a process waits for another's lock before it says so
STALE_SECONDS = 24 * 3600
# Processes of other machines, which may share the folder where one of these variables is set, are not
# seen here; nothing takes so long to write.
SHARING, WRITING_SECONDS = {"DASK_SCHEDULER_ADDRESS", "REPORT_WORKER"}, 600

# Names that this project gives; whatever is called otherwise is its reader's.
RECORDS = r"[\w-]+-[0-9a-f]{8}\.(?:csv|npz)"
PIECES = r"[\w-]+-[0-9a-f]{8}\.pieces\.csv"  # what they took, and what that had cost
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


def trouble(error: OSError) -> str:
    """Say in words what stands in the way of a file or folder, to be put after its path."""
    if error.errno == errno.ELOOP:
        return "that is a link that leads back to itself; mend or remove it"
    if isinstance(error, PermissionError):
        return "its permissions, or those of a folder above it, forbid reading it"
    if isinstance(error, FileNotFoundError):
        link = error.filename is not None and Path(error.filename).is_symlink()
        if link:
            return "that is a link that leads nowhere; mend or remove it"
        return "there is no such file"
    return error.strerror or str(error)


def no_file(path: Path) -> str:
    """Say in words why `path` is no regular file that can be read; empty if it is one.

    Anything else may have no end, or no beginning: reading a pipe waits for who writes to it.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return trouble(error)
    if stat.S_ISDIR(mode):
        return "that is a folder, a file was expected"
    if not stat.S_ISREG(mode):
        return "that is a pipe or a device, a regular file was expected"
    return "" if os.access(path, os.R_OK) else trouble(PermissionError())


def walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Find all files below a folder, links followed, in a fixed order: path inside it, and status.

    Raises
    ------
    OSError
        If a link leads nowhere or back to a folder above it, or a folder cannot be read.
    """
    yield from _walk(str(folder), "", frozenset())


def _walk(
    folder: str, inside: str, above: frozenset[tuple[int, int]]
) -> Iterator[tuple[str, os.stat_result]]:
    # Strings: a Path for each of 120,000 files takes longer than looking at them.
    status = os.stat(folder)  # noqa: PTH116
    here = status.st_dev, status.st_ino
    if here in above:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), folder)
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    folders = []
    for entry in found:
        status = entry.stat()
        if stat.S_ISDIR(status.st_mode):
            folders.append(entry)
        else:
            yield inside + entry.name, status
    for entry in folders:
        yield from _walk(entry.path, f"{inside}{entry.name}/", above | {here})


def most_unpacked() -> int:
    """How many bytes may be unpacked into memory: an eighth of the machine's.

    Images of uint8 then become float32, which takes four times as much, and attacks copy them.
    """
    from psutil import virtual_memory  # a command line that unpacks nothing need not wait

    return virtual_memory().total // 8


def too_large(path: Path) -> str:
    """Say in words that a zip file would unpack to more than fits; empty if it would not.

    Its directory says how much that is, and no member is ever read further.

    Raises
    ------
    OSError, zipfile.BadZipFile
        If the file cannot be read, or its directory is damaged.
    """
    with zipfile.ZipFile(path) as file:
        size = sum(member.file_size for member in file.infolist())
    if size <= most_unpacked():
        return ""
    return (
        f"its content takes {size:,} bytes unpacked, and at most {most_unpacked():,} are read here, "
        "an eighth of the memory"
    )


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


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that holds nothing; one that holds something is its reader's."""
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()


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
        age = time.time() - path.lstat().st_mtime
        if age > STALE_SECONDS:
            return True
        if pid is None or (age < WRITING_SECONDS and SHARING & os.environ.keys()):
            return False
        os.kill(int(pid), 0)
    except (ProcessLookupError, FileNotFoundError):
        return True
    except (OSError, OverflowError):  # it lives, under another user
        return False
    return False
