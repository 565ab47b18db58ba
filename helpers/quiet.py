"""TensorFlow loaded without its notes on start-up: none of its own settings leaves them out.

Since 2.20 it writes them before ``TF_CPP_MIN_LOG_LEVEL`` counts, straight to standard error.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator

NOTE = re.compile(r"WARNING: All log messages before absl::InitializeLog|I\d{4} ")


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Hold back what is written to standard error; at the end, all but the notes is passed on."""
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            sys.stderr.writelines(line for line in held if not NOTE.match(line))


class QuietTensorFlow:
    """Finds TensorFlow for the import system, and executes it without its notes."""

    @classmethod
    def find_spec(cls, name: str, path=None, target=None):
        if name != "tensorflow":
            return None
        sys.meta_path.remove(cls)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            execute = spec.loader.exec_module

            def quietly(module) -> None:
                with without_notes():
                    execute(module)

            spec.loader.exec_module = quietly
        return spec


def install() -> None:
    """Let a later import of TensorFlow be quiet."""
    if "tensorflow" not in sys.modules and QuietTensorFlow not in sys.meta_path:
        sys.meta_path.insert(0, QuietTensorFlow)
