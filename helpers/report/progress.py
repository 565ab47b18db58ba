"""Progress of a build: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass
class Active:
    """A run under way: since when, in which cell, and what it wrote last."""

    began: float
    state: str = "starting"
    text: str = ""


class Progress:
    """Report on the runs of a build, one after the other or some at once.

    Parameters
    ----------
    names
        The runs, in order.
    past
        Seconds that runs took in the folder's earlier build, by name.
    stream
        Where to write; control characters are used only if it is a terminal.
    width
        How many runs may be under way at once.
    """

    def __init__(
        self,
        names: Sequence[str],
        past: Mapping[str, float],
        stream: TextIO,
        width: int = 1,
    ):
        self.names, self.past, self.stream = list(names), dict(past), stream
        self.column, self.width = max(map(len, self.names)), width
        self.live = stream.isatty()
        self.left, self.active = list(self.names), dict[str, Active]()
        self._lock, self._ended = threading.RLock(), threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """Write a line of its own."""
        with self._lock:
            self.stream.write(("\r\x1b[K" if self.live else "") + text + "\n")
            self.stream.flush()

    def start(self, name: str, why: str) -> None:
        """A run begins."""
        with self._lock:
            self.active[name] = Active(time.monotonic())
            others = len(self.active) > 1
            self.say(
                f"{self._head(name)}  {why}{self._remaining(time.monotonic() if others else None)}"
            )

    def cell(self, name: str, number: int, total: int) -> None:
        """A cell of the notebook begins."""
        self.active[name].state, self.active[name].text = f"cell {number}/{total}", ""

    def output(self, name: str, text: str) -> None:
        """The notebook wrote something: its progress bar's last state is shown."""
        pieces = [CONTROL.sub("", piece).strip() for piece in re.split(r"[\r\n]", text)]
        run = self.active[name]
        run.text = next((piece for piece in reversed(pieces) if piece), run.text)

    def end(self, name: str, outcome: str) -> None:
        """The run is over."""
        with self._lock:
            seconds = time.monotonic() - self.active.pop(name).began
            self.left.remove(name)
            self.past[name] = seconds
            self.say(f"{self._head(name)}  {outcome} after {duration(seconds)}")

    def skip(self, name: str) -> None:
        """A run is not executed: what is there of it is reused."""
        with self._lock:
            self.left.remove(name)
            self.past[name] = 0.0
            self.say(f"{self._head(name)}  reused")

    def close(self) -> None:
        """Stop the live line."""
        self._ended.set()
        self._thread.join()
        if self.live:
            self.stream.write("\r\x1b[K")
            self.stream.flush()

    def _head(self, name: str) -> str:
        total = len(self.names)
        number = f"{self.names.index(name) + 1:{len(str(total))}d}"
        return f"[{number}/{total}] {name:{self.column}}"

    def _remaining(self, now: float | None = None) -> str:
        if not all(name in self.past for name in self.left):
            return ""
        # A run that takes too long shortens no other.
        each = [
            max(self.past[name] - (now - self.active[name].began), 0)
            if now is not None and name in self.active
            else self.past[name]
            for name in self.left
        ]
        seconds = max([sum(each) / self.width, *each])
        return f", about {duration(max(seconds, 1))} left in all"

    def _tick(self) -> None:
        while not self._ended.wait(0.5 if self.live else HEARTBEAT):
            with self._lock:
                if not self.active:
                    continue
                now, lines = time.monotonic(), []
                remaining = self._remaining(now)
                for name, run in self.active.items():
                    line = (
                        f"{self._head(name)}  {duration(now - run.began)}, {run.state}{remaining}"
                    )
                    lines.append(line + (f"  {run.text}" if run.text else ""))
                if not self.live:
                    for line in lines:
                        self.say(line[:200])
                    continue
                if len(lines) > 1:  # all on the one line there is
                    told = (f"{name}, {run.state}" for name, run in self.active.items())
                    texts = [run.text for run in self.active.values() if run.text]
                    lines = ["; ".join(told) + remaining + "  " + "  ".join(texts)]
                columns = shutil.get_terminal_size().columns - 1
                self.stream.write("\r\x1b[K" + "".join(lines)[:columns])
                self.stream.flush()
