"""What must hold of the folder of every real data set."""

import dataclasses
import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest
from small_data import REAL, lay_out, paint

from helpers.data import DATASETS, DataError, load
from helpers.data.folders import STAMP, identify, write_stamp

# Files and folders of each; a new data set has its row here.
ENTRIES = {
    "mnist": ["train-images-idx3-ubyte.gz"],
    "cifar10": ["data_batch_3.bin"],
    "tiny_imagenet": ["words.txt", "val/val_annotations.txt", "train/n02/images/n02_1.JPEG"],
}
STAMPED = [name for name in REAL if DATASETS[name].entries]


@pytest.fixture
def small(tmp_path, monkeypatch):
    return lambda name: lay_out(name, tmp_path, monkeypatch)


def test_every_data_set_is_tried():
    assert list(ENTRIES) == REAL


@pytest.mark.parametrize("name", REAL)
def test_missing_file_is_named_and_nothing_overwritten(small, name):
    folder, wanted = small(name), DATASETS[name].wanted
    for entry in wanted[1:]:
        (shutil.rmtree if (folder / entry).is_dir() else os.unlink)(folder / entry)
        before = sorted(folder.rglob("*"))
        with pytest.raises(DataError, match=f"(?s){entry}.* missing; there are .*{wanted[0]}"):
            load(name, data_dir=folder.parent, download=True)
        assert sorted(folder.rglob("*")) == before


def in_place_of(path, kind):
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"dangling": "nowhere", "loop": path.name, "endless": "/dev/zero"}[kind])


@pytest.mark.parametrize("kind", ["pipe", "dangling", "loop", "endless"])
@pytest.mark.parametrize(
    ("name", "entry"), [(name, entry) for name, found in ENTRIES.items() for entry in found]
)
def test_what_is_no_regular_file_is_named_at_once(small, name, entry, kind):
    folder = small(name)
    in_place_of(folder / entry, kind)
    words = "a pipe or a device" if kind in ("pipe", "endless") else r"a link that leads|back to"
    with pytest.raises(DataError, match=f"(?s){entry}.*({words})"):
        load(name, data_dir=folder.parent)


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("mnist", "t10k-labels-idx1-ubyte"),
        *[("tiny_imagenet", e) for e in ENTRIES["tiny_imagenet"]],
    ],
)
def test_a_file_that_is_too_large_is_not_read(small, name, entry):
    folder = small(name)
    with (folder / entry).open("ab") as file:
        file.truncate(20_000_000_000)  # takes no room on disk
    with pytest.raises(DataError, match=f"{entry}: 20,000,000,000 bytes, expected at most"):
        load(name, data_dir=folder.parent)


@pytest.mark.parametrize("target", ["nowhere", "mnist"])
def test_a_folder_that_is_a_broken_link_is_not_downloaded_over(tmp_path, target):
    (tmp_path / "mnist").symlink_to(target)
    with pytest.raises(DataError, match="mnist: that is a link that leads nowhere; mend or remove"):
        load("mnist", data_dir=tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        load("mnist", data_dir=tmp_path / "mnist")


@pytest.mark.parametrize("method", ["is_dir", "iterdir"])
def test_a_folder_that_may_not_be_read_is_named(small, monkeypatch, method):
    folder = small("mnist")

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, method, refuse)  # the superuser may read everything
    with pytest.raises(DataError, match="its permissions, or those of a folder above it"):
        load("mnist", data_dir=folder.parent)


def test_files_one_folder_too_high(small):
    with pytest.raises(DataError, match="belong in a folder mnist"):
        load("mnist", data_dir=small("mnist"))


def test_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "mnist").write_text("")
    with pytest.raises(DataError, match="expected a folder"):
        load("mnist", data_dir=tmp_path)


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("name", REAL)
def test_absent_without_download_names_files_and_stand_in(tmp_path, name, empty):
    spec = DATASETS[name]
    if empty:
        (tmp_path / spec.folder).mkdir()
    stand_in = next(row.name for row in DATASETS.values() if row.stands_in_for == name)
    with pytest.raises(DataError) as error:
        load(name, data_dir=tmp_path, download=False)
    for text in (*spec.wanted, str(tmp_path / spec.folder), f"the stand-in {stand_in!r}"):
        assert text in str(error.value)


def another_byte(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize("name", STAMPED)
def test_the_stamp_is_checked_again_on_every_load(small, name):
    folder = small(name)
    assert load(name, data_dir=folder.parent).status == "unverified"
    write_stamp(DATASETS[name], folder)
    verified = load(name, data_dir=folder.parent)
    assert (verified.status, verified.label) == ("verified", DATASETS[name].title)
    another_byte(folder / ENTRIES[name][0])
    changed = load(name, data_dir=folder.parent, n_train=10)
    assert changed.status == "unverified"
    assert changed.full_digest != verified.full_digest


@pytest.mark.parametrize("stamp", ["", "[]", "{}", "\0", '{"md5": "0"}', None])
def test_damaged_stamp_verifies_nothing(small, stamp):
    folder, spec = small("cifar10"), DATASETS["cifar10"]
    if stamp is None:
        os.mkfifo(folder / STAMP)
    else:
        (folder / STAMP).write_text(stamp)
    assert identify(spec, folder)[0] == "unverified"


def test_stamp_of_another_archive_verifies_nothing(small):
    folder, spec = small("cifar10"), DATASETS["cifar10"]
    other = dataclasses.replace(spec, archives=DATASETS["tiny_imagenet"].archives)
    write_stamp(spec, folder)
    assert identify(spec, folder) == ("verified", identify(other, folder)[1])
    assert identify(other, folder)[0] == "unverified"


@pytest.mark.parametrize(("name", "kind"), [("cifar10", "gztar"), ("tiny_imagenet", "zip")])
def test_official_archive_put_into_data_dir_is_verified(small, monkeypatch, name, kind):
    folder = small(name)
    path = Path(
        shutil.make_archive(str(folder.parent / "official"), kind, folder.parent, folder.name)
    )
    shutil.rmtree(folder)
    md5, urls = hashlib.md5(path.read_bytes()).hexdigest(), ("http://127.0.0.1:9/",)
    spec = DATASETS[name]
    archive = dataclasses.replace(spec.archives[0], name=path.name, md5=md5, urls=urls)
    monkeypatch.setitem(DATASETS, name, dataclasses.replace(spec, archives=(archive,)))
    for _ in range(2):
        assert load(name, data_dir=folder.parent).status == "verified"
    assert path.exists()


def test_images_behind_a_link_to_their_folder_count(small):
    folder, spec = small("tiny_imagenet"), DATASETS["tiny_imagenet"]
    before = identify(spec, folder)
    (folder / "train/n01").rename(folder.parent / "moved")
    (folder / "train/n01").symlink_to(folder.parent / "moved")
    assert identify(spec, folder) == before
    paint(folder / "train/n01/images/n01_2.JPEG", 77)
    assert identify(spec, folder) != before
