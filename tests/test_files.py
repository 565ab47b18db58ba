import hashlib

import pytest

from helpers.files import file_digest, write_atomically


def test_writing_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file.json"
    write_atomically(path, "old")

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_text_and_bytes(tmp_path):
    write_atomically(tmp_path / "a", "ε")
    write_atomically(tmp_path / "b", b"\x00")
    assert (tmp_path / "a").read_bytes() == "ε".encode()
    assert file_digest(tmp_path / "b") == hashlib.sha256(b"\x00").hexdigest()
