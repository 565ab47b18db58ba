"""Download the official archives and lay them out, checked, in one step or not at all.

Everything under way stands in ``DATA_DIR/.downloads``; a data set's own folder appears there,
complete, by one renaming at the end.
"""

from __future__ import annotations

import hashlib
import shutil
import stat
import tarfile
import tempfile
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests
import urllib3
from filelock import FileLock
from tqdm import tqdm

from helpers.data.dataset import Archive, DataError, Spec
from helpers.data.folders import write_stamp

WORKSHOP = ".downloads"
TRIES = 4  # for each address
BACKOFF = 0.5  # seconds before the second try, doubled for each later one
TIMEOUT = (3.0, 20.0)  # seconds to connect, and to wait for the next bytes
SLOWEST = 10_000  # bytes a second, over each minute: less is broken off
MINUTE = 60.0
LARGEST = 1 << 30  # bytes that an archive may hold


class Unfit(requests.RequestException):
    """What a server sends is too much, or comes too slowly; asking it again would not help."""


def obtain(spec: Spec, folder: Path) -> None:
    """Make the folder of a data set from its official archives, downloading what is not there.

    Parameters
    ----------
    spec
        The data set's row. One archive of many files is unpacked, and a stamp says what it held; files
        that are wanted as they are, are copied.
    folder
        The folder to make: absent or empty. Its name is the top folder inside the archive.

    Raises
    ------
    DataError
        If nothing can be downloaded, if a checksum differs, or if an archive is unsafe to unpack.
        `folder` is then as it was.
    """
    workshop = folder.parent / WORKSHOP
    try:
        workshop.mkdir(exist_ok=True)
        with FileLock(workshop / f"{spec.name}.lock"):
            if folder.is_dir() and any(folder.iterdir()):
                return  # another process was faster
            files = [fetch(archive, workshop) for archive in spec.archives]
            with tempfile.TemporaryDirectory(dir=workshop) as scratch:
                made = Path(scratch) / folder.name
                if spec.entries:
                    unpack(files[0], Path(scratch), top=folder.name)
                    write_stamp(spec, made)
                else:
                    made.mkdir()
                    for file in files:
                        shutil.copy2(file, made)
                made.replace(folder)
            for file in files:
                file.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{error.filename or folder}: {error.strerror or error}") from error


def fetch(archive: Archive, folder: Path) -> Path:
    """Download one file into `folder`, resuming what is there of it, and check its MD5 checksum.

    A file of that name that somebody has put beside `folder` is taken instead, if it is whole.

    Returns
    -------
    Path
        The file, complete.

    Raises
    ------
    DataError
        If no address serves the right content; the message holds the reason for each address.
    """
    file, part = folder / archive.name, folder / f"{archive.name}.part"
    by_hand = folder.parent / archive.name
    if by_hand.is_file():
        found = _md5(by_hand)
        if found != archive.md5:
            raise DataError(
                f"{by_hand}: MD5 {found}, but the official archive has {archive.md5}; "
                "it is damaged, half-downloaded or another file: remove or replace it"
            )
        return Path(shutil.copy2(by_hand, file))
    if file.is_file() and _md5(file) == archive.md5:
        return file
    # What an earlier run has left may be of other content. The checksum finds that out, and uses it
    # up: the same address then deserves a second try, from the start.
    urls = archive.urls[:1] * part.exists() + archive.urls
    reasons = []
    for url in urls:
        host = urlsplit(url).netloc
        try:
            _persist(url, part, archive.size)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            reasons.append(f"{host}: {_reason(error)}")
            continue
        if _md5(part) == archive.md5:
            return part.replace(file)
        part.unlink()
        reasons.append(f"{host}: serves other content than the MD5 {archive.md5} stands for")
    raise DataError(f"{archive.name} could not be downloaded ({'; '.join(dict.fromkeys(reasons))})")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _persist(url: str, part: Path, size: int) -> None:
    """Complete `part` from an address, asking again after a passing fault."""
    for attempt in range(1, TRIES + 1):
        try:
            return _append(url, part, size)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if attempt == TRIES or not _worth_retrying(error):
                raise
            time.sleep(BACKOFF * 2 ** (attempt - 1))


def _append(url: str, part: Path, size: int) -> None:
    """Ask for the bytes that `part` lacks, and add them; of more than `size` nothing is kept."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # .gz files must arrive as they are
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        content_range = response.headers.get("Content-Range", "")
        if response.status_code == 416 and content_range == f"bytes */{have}":
            return  # it was complete
        resumed = response.status_code == 206
        if response.status_code == 416 or (
            resumed and not content_range.startswith(f"bytes {have}-")
        ):
            part.unlink()
            raise requests.exceptions.ChunkedEncodingError("the server resumes at another place")
        response.raise_for_status()
        if not resumed:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        if total is not None and total > size:
            part.unlink(missing_ok=True)
            raise _too_much(total, size)
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(
                desc=part.stem, initial=have, total=total, unit="B", unit_scale=True, leave=False
            ) as bar,
        ):
            began, arrived = time.monotonic(), 0
            # read1 returns what is there; read would wait for all it was asked for.
            while chunk := response.raw.read1(1 << 16, decode_content=False):
                have += len(chunk)
                if have > size:
                    break
                file.write(chunk)
                bar.update(len(chunk))
                arrived += len(chunk)
                seconds = time.monotonic() - began
                if seconds >= MINUTE:
                    if arrived < SLOWEST * seconds:
                        raise Unfit(
                            f"sends {arrived / seconds:,.0f} bytes a second, less than the "
                            f"{SLOWEST:,} that are waited for; the next run goes on where this "
                            "one stopped"
                        )
                    began, arrived = time.monotonic(), 0
    if have > size:
        part.unlink()
        raise _too_much(have, size)
    if total is not None and part.stat().st_size != total:
        raise requests.exceptions.ChunkedEncodingError(
            f"{part.stat().st_size:,} of {total:,} bytes arrived"
        )


def _too_much(found: int, size: int) -> Unfit:
    return Unfit(f"sends {found:,} bytes or more, expected at most {size:,}; nothing of it is kept")


def _worth_retrying(error: Exception) -> bool:
    """Tell a passing fault from a refusal, or from a host that cannot be reached at all."""
    if isinstance(error, requests.HTTPError):
        return error.response.status_code >= 500 or error.response.status_code == 429
    if isinstance(error, (requests.ConnectTimeout, Unfit)):
        return False
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return not isinstance(cause, urllib3.exceptions.NewConnectionError)


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"{error.response.status_code} {error.response.reason}"
    if isinstance(error, Unfit):
        return str(error)
    if not _worth_retrying(error):
        return "cannot be reached"
    return f"the connection broke {TRIES} times ({type(error).__name__})"


def unpack(archive: Path, target: Path, *, top: str) -> None:
    """Unpack a ``.zip`` or tar archive into `target`.

    Raises
    ------
    DataError
        Before anything is written, if a member is a link or a device, or would land outside
        ``target/top``, or if all of them are larger than `LARGEST`. Or if the archive is damaged.
    """
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as file:
                members = file.infolist()
                _check_size(archive, sum(member.file_size for member in members))
                for member in members:
                    kind = stat.S_IFMT(member.external_attr >> 16)
                    _check_member(
                        archive, member.filename, top, kind in (0, stat.S_IFREG, stat.S_IFDIR)
                    )
                for member in tqdm(members, desc=f"unpack {archive.name}", leave=False):
                    file.extract(member, target)
        else:
            with tarfile.open(archive) as file:
                members, size = [], 0
                for member in file:  # the next is found by unpacking this one
                    members.append(member)
                    size += member.size
                    _check_size(archive, size)
                    _check_member(archive, member.name, top, member.isfile() or member.isdir())
                file.extractall(target, members, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error})") from error
    if not (target / top).is_dir():
        raise DataError(f"{archive}: holds no folder {top}")


def _check_size(archive: Path, size: int) -> None:
    if size > LARGEST:
        raise DataError(
            f"{archive}: holds {size:,} bytes or more, expected at most {LARGEST:,}; not unpacked"
        )


def _check_member(archive: Path, name: str, top: str, plain: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if not plain:
        raise DataError(f"{archive}: {name!r} is neither a file nor a folder; not unpacked")
    if path.is_absolute() or ".." in path.parts or path.parts[:1] != (top,):
        raise DataError(f"{archive}: {name!r} would land outside {top}; not unpacked")
