import contextlib
import dataclasses
import hashlib
import io
import socket
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from helpers.data import DATASETS, download
from helpers.data.dataset import Archive, DataError, Spec
from helpers.data.download import fetch, obtain, unpack

CONTENT = bytes(range(256)) * 2000
SIZE = len(CONTENT)


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT with Range, and misbehaves as the path says."""

    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.requests.append((self.path, wanted))
        if self.path.startswith("http://locked.invalid/"):  # asked as a proxy
            return self.send_error(407)
        if self.path.startswith("/absent"):
            return self.send_error(404)
        if self.path.startswith("/busy") and len(server.requests) < 3:
            return self.send_error(503)
        content = b"something else" if self.path.startswith("/wrong") else CONTENT
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if self.path.startswith("/norange"):
            start, wanted = 0, None
        if wanted and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return None
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.path.startswith("/endless"):  # says no length, and does not stop by itself
            self.end_headers()
            with contextlib.suppress(OSError):
                while not server.hung_up.is_set():
                    self.wfile.write(CONTENT)
            return None
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.path.startswith("/drip"):
            with contextlib.suppress(OSError):
                for position in range(start, len(content)):
                    self.wfile.write(content[position : position + 1])
                    if server.hung_up.wait(0.01):
                        break
            return None
        if self.path.startswith("/stall"):
            self.wfile.write(content[start : start + 1000])
            self.wfile.flush()
            server.hung_up.wait(5)
            return None
        body = content[start:]
        if self.path.startswith("/always") or (
            self.path.startswith(("/cut", "/norange")) and len(server.requests) == 1
        ):
            body = body[: len(body) // 3]
        self.wfile.write(body)
        return None

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(download, "BACKOFF", 0.01)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.requests, http.hung_up = [], threading.Event()
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield http
        http.hung_up.set()
        http.shutdown()
        thread.join()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def address(server, path):
    return f"http://127.0.0.1:{server.server_port}/{path}"


def archive(server, *paths, size=SIZE):
    md5 = hashlib.md5(CONTENT).hexdigest()
    return Archive("file.bin", md5, size, tuple(address(server, path) for path in paths))


# What the server does, what an earlier run has left, and what is then asked for.
WAYS = {
    "at once": ("plain", None, [None]),
    "resumed where it broke": ("cut", None, [None, f"bytes={SIZE // 3}-"]),
    "anew, without ranges": ("norange", None, [None, f"bytes={SIZE // 3}-"]),
    "asked again": ("busy", None, [None, None, None]),
    "a part": ("plain", CONTENT[:1000], ["bytes=1000-"]),
    "all of it": ("plain", CONTENT, [f"bytes={SIZE}-"]),
    "a part of other content": ("plain", b"x" * 1000, ["bytes=1000-", None]),
    "too much": ("plain", CONTENT + b"x", [f"bytes={SIZE + 1}-", None]),
    "all of other content": ("plain", b"x" * SIZE, [f"bytes={SIZE}-", None]),
}


@pytest.mark.parametrize(("path", "part", "asked"), WAYS.values(), ids=WAYS)
def test_a_download_is_whole_asks_for_what_is_missing_and_is_not_made_again(
    server, tmp_path, path, part, asked
):
    if part is not None:
        (tmp_path / "file.bin.part").write_bytes(part)
    for _ in range(2):
        assert fetch(archive(server, path), tmp_path).read_bytes() == CONTENT
    assert names(tmp_path) == ["file.bin"]
    assert [wanted for _, wanted in server.requests] == asked


def test_what_arrived_is_kept_for_the_next_run(server, tmp_path):
    with pytest.raises(DataError, match="broke 4 times"):
        fetch(archive(server, "always"), tmp_path)
    assert len(server.requests) == download.TRIES
    kept = (tmp_path / "file.bin.part").read_bytes()
    assert kept == CONTENT[: len(kept)]
    assert len(kept) > len(CONTENT) // 2


@pytest.mark.parametrize("first", ["wrong", "absent", "always"])
def test_second_mirror_takes_over(server, tmp_path, first):
    assert fetch(archive(server, first, "plain"), tmp_path).read_bytes() == CONTENT


def test_every_reason_is_named(server, tmp_path):
    with pytest.raises(DataError, match=r"file\.bin .*other content.*; .*404 Not Found"):
        fetch(archive(server, "wrong", "absent"), tmp_path)
    assert names(tmp_path) == []


def test_no_network_fails_at_once(server, tmp_path, monkeypatch):
    look_up, asked = socket.getaddrinfo, []

    def getaddrinfo(host, *more, **options):
        asked.append(host)
        if host == "no-such-host.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    md5 = hashlib.md5(CONTENT).hexdigest()
    urls = ("http://127.0.0.1:9/file.bin", "http://no-such-host.invalid/file.bin")
    with pytest.raises(DataError, match=r"127\.0\.0\.1:9: cannot be reached; no-such-host"):
        fetch(Archive("file.bin", md5, SIZE, urls), tmp_path)
    assert asked == ["127.0.0.1", "no-such-host.invalid"]


@pytest.mark.parametrize("path", ["plain", "endless"])
def test_more_than_expected_is_broken_off_and_not_kept(server, tmp_path, path):
    size = len(CONTENT) - 1
    with pytest.raises(
        DataError, match=rf"sends 5\d\d,\d+ bytes or more, expected at most {size:,}"
    ):
        fetch(archive(server, path, size=size), tmp_path)
    assert len(server.requests) == 1
    assert names(tmp_path) == []


def test_a_server_that_drips_is_left_and_what_came_is_kept(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MINUTE", 0.2)
    with pytest.raises(DataError, match=r"127\.0\.0\.1:\d+: sends \d+ bytes a second, less than"):
        fetch(archive(server, "drip"), tmp_path)
    assert len(server.requests) == 1
    kept = (tmp_path / "file.bin.part").read_bytes()
    assert kept
    assert kept == CONTENT[: len(kept)]
    assert fetch(archive(server, "drip", "plain"), tmp_path).read_bytes() == CONTENT


def test_a_server_that_stalls_is_left_and_what_came_is_kept(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", (5, 0.5))
    with pytest.raises(
        DataError, match=r"127\.0\.0\.1:\d+: the connection broke 4 times \(ReadTimeout"
    ):
        fetch(archive(server, "stall"), tmp_path)
    assert len(server.requests) == download.TRIES
    kept = (tmp_path / "file.bin.part").read_bytes()
    assert len(kept) >= 1000
    assert kept == CONTENT[: len(kept)]


@pytest.fixture
def proxy(server, monkeypatch):
    """Let requests take the server for the proxy; the addresses behind it exist nowhere."""

    def through(port):
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")

    def behind(host):
        md5 = hashlib.md5(CONTENT).hexdigest()
        return Archive("file.bin", md5, SIZE, (f"http://{host}.invalid/file.bin",))

    return through, behind


def test_behind_a_proxy_it_is_asked(server, tmp_path, proxy):
    through, behind = proxy
    through(server.server_port)
    assert fetch(behind("data"), tmp_path).read_bytes() == CONTENT
    assert server.requests == [("http://data.invalid/file.bin", None)]


def test_a_proxy_that_wants_a_password_or_is_gone_is_named(server, tmp_path, proxy):
    through, behind = proxy
    through(server.server_port)
    with pytest.raises(DataError, match=r"locked\.invalid: 407 Proxy Authentication Required"):
        fetch(behind("locked"), tmp_path)
    through(9)
    with pytest.raises(DataError, match=r"data\.invalid: .*\(ProxyError\)"):
        fetch(behind("data"), tmp_path)
    assert names(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_said(server, tmp_path):
    folder = tmp_path / "top"
    (tmp_path / ".downloads").mkdir()
    (tmp_path / ".downloads" / "file.bin.part").symlink_to("/dev/full")
    with pytest.raises(DataError, match="No space left on device"):
        obtain(row(archive(server, "plain")), folder)
    assert len(server.requests) == 1
    assert not folder.exists()


def test_official_archives_are_smaller_than_any_may_be():
    archives = [archive for spec in DATASETS.values() for archive in spec.archives]
    assert 0 < max(archive.size for archive in archives) < download.LARGEST


def make_tar(path, *members):
    with tarfile.open(path, "w:gz") as file:
        for name, kind in members:
            member = tarfile.TarInfo(name)
            if kind == "link":
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
                file.addfile(member)
            else:
                member.size = 4
                file.addfile(member, io.BytesIO(b"1234"))
    return path


def make_zip(path, *members):
    with zipfile.ZipFile(path, "w") as file:
        for name, kind in members:
            member = zipfile.ZipInfo(name)
            member.external_attr = (0o120777 if kind == "link" else 0o100644) << 16
            file.writestr(member, b"1234")
    return path


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_unpack(tmp_path, make):
    path = make(tmp_path / ("a.zip" if make is make_zip else "a.tar.gz"), ("top/in/a.bin", "file"))
    unpack(path, tmp_path / "out", top="top")
    assert (tmp_path / "out/top/in/a.bin").read_bytes() == b"1234"


@pytest.mark.parametrize("make", [make_tar, make_zip])
@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("top/../../evil", "file", "outside"),
        ("/evil", "file", "outside"),
        ("other/evil", "file", "outside"),
        ("top/..\\..\\evil", "file", "outside"),
        ("top/evil", "link", "neither"),
    ],
)
def test_unsafe_archive_writes_nothing(tmp_path, make, name, kind, message):
    path = tmp_path / ("a.zip" if make is make_zip else "a.tar.gz")
    make(path, ("top/good", "file"), (name, kind))
    with pytest.raises(DataError, match=message):
        unpack(path, tmp_path / "out", top="top")
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_an_archive_that_holds_too_much_writes_nothing(tmp_path, monkeypatch, make):
    monkeypatch.setattr(download, "LARGEST", 7)
    path = tmp_path / ("a.zip" if make is make_zip else "a.tar.gz")
    make(path, ("top/a", "file"), ("top/b", "file"))
    with pytest.raises(DataError, match="holds 8 bytes or more, expected at most 7; not unpacked"):
        unpack(path, tmp_path / "out", top="top")
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_damaged_archive(tmp_path, name):
    (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(tmp_path / name, tmp_path / "out", top="top")


def row(*archives, entries=()):
    """Make the row of a data set of these archives."""
    known = (1, 1, 1), 2, 1, 1, "made here", "no_module"
    return Spec("two", "Two", *known, folder="top", archives=archives, entries=entries)


def contents(folder):
    return {path.name: path.read_text() for path in sorted(folder.glob("*.bin"))}


@pytest.fixture
def official(tmp_path):
    """An archive that lies beside the folder to make; no server is needed."""
    path = make_tar(tmp_path / "official.tar.gz", ("top/a.bin", "file"), ("top/b.bin", "file"))
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    urls = ("http://127.0.0.1:9/official.tar.gz",)
    return row(Archive(path.name, md5, SIZE, urls), entries=("a.bin", "b.bin"))


def test_obtain_refuses_a_damaged_archive_put_there_by_hand(official, tmp_path):
    path = tmp_path / "official.tar.gz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"official\.tar\.gz: MD5 .*half-downloaded"):
        obtain(official, tmp_path / "top")
    assert not (tmp_path / "top").exists()


def test_obtain_that_fails_half_way_leaves_no_folder(official, tmp_path):
    lacking = dataclasses.replace(official, entries=("a.bin", "c.bin"))
    with pytest.raises(DataError, match=r"c\.bin"):
        obtain(lacking, tmp_path / "top")
    assert not (tmp_path / "top").exists()
    obtain(official, tmp_path / "top")


def test_obtain_at_once_by_several(official, tmp_path):
    folder = tmp_path / "top"
    threads = [threading.Thread(target=obtain, args=(official, folder)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents(folder) == {"a.bin": "1234", "b.bin": "1234"}


def test_obtain_leaves_a_folder_with_content_alone(official, tmp_path):
    folder = tmp_path / "top"
    folder.mkdir()
    (folder / "mine").write_text("mine")
    obtain(official, folder)
    assert names(folder) == ["mine"]


def test_obtain_where_nothing_can_be_written(official, tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(DataError, match=r"\.downloads"):
        obtain(official, tmp_path / "data" / "top")


def test_files_that_are_wanted_as_they_are_stay_so(server, tmp_path):
    obtain(row(archive(server, "plain")), tmp_path / "top")
    assert names(tmp_path / "top") == ["file.bin"]
    assert names(tmp_path / ".downloads") in ([], ["two.lock"])
