"""Progress of a build: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

HEARTBEAT = 60.0  # seconds between signs of life in a log
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def duration(seconds: float) -> str:
    """Write a time as people do: ``42 s``, ``3:05 min``, ``2:10 h``."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d} min"
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d} h"


class Progress:
    """Report on the runs of a build, one after the other.

    Parameters
    ----------
    names
        The runs, in order.
    past
        Seconds that runs took in the folder's earlier build, by name.
    expected
        Seconds that the others take on some machine; the runs that end here tell how fast this one is.
    stream
        Where to write; control characters are used only if it is a terminal.
    """

    def __init__(
        self,
        names: Sequence[str],
        past: Mapping[str, float],
        stream: TextIO,
        expected: Mapping[str, float] | None = None,
    ):
        self.names, self.past, self.stream = list(names), dict(past), stream
        self.expected, self.measured = dict(expected or {}), {}
        self.width = max(map(len, self.names))
        self.live = stream.isatty()
        self.position, self.state, self.text = -1, "", ""
        self._lock, self._ended, self._thread = threading.Lock(), threading.Event(), None

    def say(self, text: str) -> None:
        """Write a line of its own."""
        with self._lock:
            self.stream.write(("\r\x1b[K" if self.live else "") + text + "\n")
            self.stream.flush()

    def start(self, name: str, why: str) -> None:
        """A run begins."""
        self.position, self.began = self.names.index(name), time.monotonic()
        self.state, self.text = "starting", ""
        self.say(f"{self._head()}  {why}{self._remaining()}")
        self._ended.clear()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def cell(self, number: int, total: int) -> None:
        """A cell of the notebook begins."""
        self.state, self.text = f"cell {number}/{total}", ""

    def output(self, text: str) -> None:
        """The notebook wrote something: its progress bar's last state is shown."""
        pieces = [CONTROL.sub("", piece).strip() for piece in re.split(r"[\r\n]", text)]
        self.text = next((piece for piece in reversed(pieces) if piece), self.text)

    def end(self, outcome: str) -> None:
        """The run is over."""
        self._stop()
        seconds = time.monotonic() - self.began
        self.past[self.names[self.position]] = self.measured[self.names[self.position]] = seconds
        self.say(f"{self._head()}  {outcome} after {duration(seconds)}")

    def skip(self, name: str, text: str) -> None:
        """A run is not executed."""
        self.position = self.names.index(name)
        self.past[name] = 0.0
        self.say(f"{self._head()}  {text}")

    def close(self) -> None:
        self._stop()

    def _head(self) -> str:
        total = len(self.names)
        number = f"{self.position + 1:{len(str(total))}d}"
        return f"[{number}/{total}] {self.names[self.position]:{self.width}}"

    def _remaining(self, elapsed: float = 0.0) -> str:
        todo = self.names[self.position :]
        known = {name: s * self._slowness() for name, s in self.expected.items()} | self.past
        if not all(name in known for name in todo):
            return ""
        now, *later = (known[name] for name in todo)
        seconds = max(now - elapsed, 0) + sum(later)  # a run that takes too long shortens no other
        return f", about {duration(max(seconds, 1))} left in all"

    def _slowness(self) -> float:
        """How much longer than expected the runs take that have ended here.

        One that took a small part of it found in the store what it would have made, and says nothing.
        """
        both = [
            name
            for name, seconds in self.measured.items()
            if name in self.expected and seconds > self.expected[name] / 4
        ]
        expected = sum(self.expected[name] for name in both)
        return sum(self.measured[name] for name in both) / expected if expected else 1.0

    def _stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self.live:
            self.stream.write("\r\x1b[K")
            self.stream.flush()

    def _tick(self) -> None:
        while not self._ended.wait(0.5 if self.live else HEARTBEAT):
            elapsed = time.monotonic() - self.began
            line = f"{self._head()}  {duration(elapsed)}, {self.state}{self._remaining(elapsed)}"
            line += f"  {self.text}" if self.text else ""
            if self.live:
                columns = shutil.get_terminal_size().columns - 1
                with self._lock:
                    self.stream.write("\r\x1b[K" + line[:columns])
                    self.stream.flush()
            else:
                self.say(line[:200])
