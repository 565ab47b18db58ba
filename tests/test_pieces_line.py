"""The line of progress, in a terminal and in a log."""

import io
from types import SimpleNamespace

import pytest

from helpers.experiment import pieces_line


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("kind", "shown"), [(Terminal, 3), (io.StringIO, 1)])
def test_a_log_gets_a_line_a_minute_and_a_terminal_one_that_moves(kind, shown, monkeypatch):
    monkeypatch.delitem(pieces_line.sys.modules, "ipykernel", raising=False)
    stream, now = kind(), [1000.0]
    monkeypatch.setattr(pieces_line, "time", SimpleNamespace(monotonic=lambda: now[0]))
    line = pieces_line.PiecesLine([], {"a": 30.0, "b": 10.0}, stream)
    for _ in range(3):
        if line.due:
            line.show({}, 2)
        now[0] += 1.5
    line.done("a")
    line.close()
    told = stream.getvalue()
    assert told.count("0 of 2 pieces, 2 left, about 20 s; under way: none") == shown
    assert told.count("\r") == (shown + 1 if stream.isatty() else 0)
    assert told.rstrip(" \n").endswith("2 pieces in 4 s")
