"""The folder of a real data set: what must lie in it, what does, and whether it is official.

What is incomplete or damaged raises a :class:`~helpers.data.dataset.DataError` that names the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from helpers.data.dataset import DataError, Spec
from helpers.files import file_digest, no_file, trouble, walk, write_atomically

STAMP = ".verified.json"
LARGEST_IMAGE = 1_000_000  # bytes


@contextlib.contextmanager
def named(folder: Path) -> Iterator[None]:
    """Turn whatever the system says of a file into a sentence that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{error.filename or folder}: {trouble(error)}") from error


def find(spec: Spec, data_dir: Path, *, download: bool, stand_in: str | None) -> Path:
    """Find a data set's folder, downloading it first if nothing of it is there.

    Raises
    ------
    DataError
        If nothing is there and it cannot be downloaded, or `download` is false; says what else could
        be done. Or if something is there, but not all: a download is not to overwrite it.
    """
    if not data_dir.is_dir():
        raise DataError(f"data_dir = {str(data_dir)!r}: there is no such folder")
    folder = data_dir / spec.folder
    if _is_absent(spec, data_dir):
        try:
            if not download:
                raise DataError("nothing is to be downloaded")
            from helpers.data.download import obtain  # what is there needs no network

            obtain(spec, folder)
        except DataError as error:
            archive = spec.archives[0].name
            raise DataError(
                f"{spec.title} is not in {folder}, and {error}. Put {', '.join(spec.wanted)} into "
                f"{folder}"
                + (f" (or {archive} into {data_dir})" if len(spec.archives) == 1 else "")
                + (f", or use the stand-in {stand_in!r}, which needs no download" * bool(stand_in))
            ) from error
    return folder


def _is_absent(spec: Spec, data_dir: Path) -> bool:
    folder = data_dir / spec.folder
    if _leads_nowhere(folder):
        raise DataError(f"{folder}: that is a link that leads nowhere; mend or remove it")
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: expected a folder, found a file")
    if not folder.is_dir() or not any(folder.iterdir()):
        if not _missing(spec, data_dir):
            raise DataError(
                f"the files of {spec.name} lie in {data_dir} itself; they belong in a folder "
                f"{spec.folder} inside the folder given as data_dir"
            )
        return True
    missing = _missing(spec, folder)
    if missing:
        there = [entry for entry in spec.wanted if entry not in missing]
        missing = [
            entry + " (a link that leads nowhere)" * _leads_nowhere(folder / entry)
            for entry in missing
        ]
        raise DataError(
            f"{folder}: {', '.join(missing)} missing; there are {', '.join(there) or 'none'} of the "
            f"{len(spec.wanted)} wanted. Add what is missing, or remove the folder to have it "
            "downloaded"
        )
    return False


def _leads_nowhere(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _missing(spec: Spec, folder: Path) -> list[str]:
    def there(entry: str) -> bool:
        return (folder / entry).exists() or (folder / entry.removesuffix(".gz")).exists()

    return [entry for entry in spec.wanted if not there(entry)]


def identify(spec: Spec, folder: Path) -> tuple[str, str]:
    """Tell whether the content is what the verified archive held, and its SHA-256."""
    hashes = _hashes(spec, folder)
    status = "verified" if _stamp(folder) == _made_of(spec, hashes) else "unverified"
    return status, combine(hashes)


def write_stamp(spec: Spec, folder: Path) -> None:
    """Note in a folder, just unpacked from the verified archive, what its content is."""
    stamp = _made_of(spec, _hashes(spec, folder))
    write_atomically(folder / STAMP, json.dumps(stamp, indent=1) + "\n")


def _made_of(spec: Spec, hashes: dict[str, str]) -> dict:
    archive = spec.archives[0]
    return {"archive": archive.name, "md5": archive.md5, "sha256": hashes}


def _stamp(folder: Path) -> object:
    if not no_file(folder / STAMP):
        with contextlib.suppress(OSError, ValueError):
            return json.loads((folder / STAMP).read_text(encoding="utf-8"))
    return None


def _hashes(spec: Spec, folder: Path) -> dict[str, str]:
    """Compute the SHA-256 of each file, and of each folder of images, that is read."""
    return {
        entry: _tree_hash(folder / entry)
        if (folder / entry).is_dir()
        else file_digest(regular(folder / entry))
        for entry in spec.wanted
    }


def _tree_hash(folder: Path) -> str:
    sha = hashlib.sha256()
    for path, _ in walk(folder):
        if path.endswith(".JPEG"):
            content = read_bytes(folder / path, LARGEST_IMAGE)
            sha.update(f"{path} {len(content)}\n".encode())
            sha.update(content)
    return sha.hexdigest()


def combine(hashes: dict[str, str]) -> str:
    return hashlib.sha256("".join(f"{k} {v}\n" for k, v in hashes.items()).encode()).hexdigest()


def regular(path: Path) -> Path:
    if problem := no_file(path):
        raise DataError(f"{path}: {problem}")
    return path


def read_bytes(path: Path, most: int) -> bytes:
    """Read a file of at most `most` bytes; larger ones, and what has no end, are refused unread."""
    size = regular(path).stat().st_size
    if size > most:
        raise DataError(f"{path}: {size:,} bytes, expected at most {most:,}")
    return path.read_bytes()


def check_labels(path: Path, y: np.ndarray, n_classes: int) -> None:
    """Refuse labels of other classes, and classes without an image."""
    if y.max() >= n_classes:
        raise DataError(f"{path}: labels up to {y.max()}, expected 0 to {n_classes - 1}")
    absent = np.setdiff1d(np.arange(n_classes), y).tolist()
    if absent:
        raise DataError(f"{path}: no image of class {', '.join(map(str, absent))}")
