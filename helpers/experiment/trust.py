"""Which clusters are to be trusted, and which of their workers give the results that are had here."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from helpers.code import library_digest, onednn
from helpers.experiment.pieces import VERSIONS
from helpers.paths import PROJECT

INSECURE = "REPORT_INSECURE_CLUSTER"  # environment variable: a network without TLS is one's own


class EngineError(ValueError):
    """A cluster that cannot be reached, is not to be trusted, or has workers that do not fit."""


class Trouble(RuntimeError):
    """What went wrong is the worker's and not the piece's: a full disk, a lack of memory."""

    def __init__(self, worker: str, error: str):
        super().__init__(worker, error)
        self.worker, self.error = worker, error

    def __str__(self) -> str:
        return f"{self.error} (on {self.worker})"


def address_of(given: str) -> str:
    """Read an address, or the file that a scheduler wrote, and refuse what is open to a network.

    Raises
    ------
    EngineError
        If there is no such file, or the address is neither of this machine nor over TLS.
    """
    address = given
    if given.endswith(".json"):
        try:
            address = json.loads(Path(given).read_text(encoding="utf-8"))["address"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EngineError(f"{given} is no file of a Dask scheduler ({error})") from None
    address = address if "://" in address else f"tcp://{address}"
    parts = urlsplit(address)
    if parts.scheme == "tls" or os.environ.get(INSECURE) or _is_loopback(parts.hostname or ""):
        return address
    raise EngineError(
        f"the cluster at {address} is reached over a network without TLS, and Dask runs whatever it is "
        "sent by anyone who reaches it: use tls://, or a tunnel to 127.0.0.1, or, where the network is "
        f"your own, --insecure-cluster (in notebooks the environment variable {INSECURE}=1)"
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def fingerprint() -> dict[str, str]:
    """Say what decides results beside the data: versions, lock, code, oneDNN's settings."""
    lock = PROJECT / "requirements.lock"
    return {
        "Python": platform.python_version(),
        **VERSIONS,
        "lock": hashlib.sha256(lock.read_bytes()).hexdigest()[:16] if lock.exists() else "none",
        "code": library_digest(),
        "oneDNN": json.dumps(onednn()),
    }


def differences(found: Mapping[str, str], expected: Mapping[str, str]) -> str:
    """Say in words which entries of two fingerprints differ; empty if none."""
    return "; ".join(
        f"{name} is {found.get(name)} there, {expected.get(name)} here"
        for name in dict.fromkeys([*expected, *found])
        if found.get(name) != expected.get(name)
    )
