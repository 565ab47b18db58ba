import errno
import hashlib
import os

import pytest

from helpers.files import (
    file_digest,
    no_file,
    remove_left_overs,
    trouble,
    walk,
    write_atomically,
)


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


def test_only_a_regular_file_is_a_file(tmp_path):
    path = tmp_path / "a"
    assert no_file(path) == "there is no such file"
    path.write_text("")
    assert no_file(path) == ""
    (tmp_path / "link").symlink_to(path)
    assert no_file(tmp_path / "link") == ""
    path.unlink()
    assert "leads nowhere" in no_file(tmp_path / "link")
    assert "a folder" in no_file(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "a pipe or a device" in no_file(tmp_path / "pipe")


def test_a_file_that_may_not_be_read_is_said_to_be_one(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("")
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser may read everything
    assert "permissions" in no_file(tmp_path / "a")
    assert "permissions" in trouble(PermissionError(errno.EACCES, "Permission denied", "a"))


def test_a_walk_follows_links_and_refuses_circles(tmp_path):
    for name in ("b", "a", "inner/c"):
        (tmp_path / "real" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "real" / name).write_text(name)
    folder = tmp_path / "seen"
    folder.symlink_to("real")
    assert [(path, status.st_size) for path, status in walk(folder)] == [
        ("a", 1), ("b", 1), ("inner/c", 7),
    ]  # fmt: skip
    (folder / "inner" / "up").symlink_to("..")
    with pytest.raises(OSError, match="inner/up") as caught:
        list(walk(folder))
    assert "leads back" in trouble(caught.value)
    (folder / "inner" / "up").unlink()
    (folder / "inner" / "up").symlink_to("nowhere")
    with pytest.raises(OSError, match="inner/up") as caught:
        list(walk(folder))
    assert "leads nowhere" in trouble(caught.value)


@pytest.mark.parametrize("shared", [False, True])
def test_what_a_dead_process_had_begun_goes_unless_it_may_live_on_another_machine(
    tmp_path, monkeypatch, shared
):
    if shared:
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", "tls://far:8786")
    else:
        monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    begun = tmp_path / f"a-0123456789abcdef.{2**22 + 1}.part.npz"  # no process has this number
    begun.touch()
    remove_left_overs(tmp_path, "a")
    assert begun.exists() == shared
    begun.touch()
    os.utime(begun, (0, 0))
    remove_left_overs(tmp_path, "a")
    assert not begun.exists()
