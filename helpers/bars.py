"""Progress bars in JupyterLab: they go to standard output, as it shows standard error like an error."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

# Set by the server for the notebook of each kernel; neither papermill nor a build has it.
IN_JUPYTER = "JPY_SESSION_NAME"


class Sorted:
    """Standard error, but for the states of a bar: each begins with a carriage return."""

    def __init__(self, stream: TextIO):
        self._stream, self._in_bar = stream, False

    def write(self, text: str) -> int:
        state = text.startswith("\r")
        ends = self._in_bar and text == "\n"
        self._in_bar = state
        return (sys.stdout if state or ends else self._stream).write(text)

    def flush(self) -> None:
        sys.stdout.flush()
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def install() -> None:
    """Let bars that begin later read as output, where a reader runs the notebook in JupyterLab."""
    if IN_JUPYTER in os.environ and not isinstance(sys.stderr, Sorted):
        sys.stderr = Sorted(sys.stderr)
