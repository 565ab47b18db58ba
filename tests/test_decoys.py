"""A reader's files in and beside every folder that a build writes stay, byte for byte, what they are."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from test_publish import build, readme  # noqa: F401 (fixtures)
from test_report import wait_for

from helpers.experiment.pieces import Piece, Request
from helpers.experiment.store import Store
from helpers.parameters import ParameterError
from helpers.report.output import FORMAT, Output
from helpers.report.owned import clear, remove_left_overs, remove_run
from helpers.report.publish import publish
from helpers.report.stamps import KEY

NAMES = (
    "notes.txt", "report.pdf", "manifest.txt", "film.part", ".notes.txt.1.abcdefgh.tmp",
    "notebooks/thesis.ipynb", "notebooks/01_data-copy.ipynb", "notebooks/.ipynb_checkpoints/a.ipynb",
    "records/notes.txt", "records/thesis/01_data-01234567.csv", "records/mine.csv",
    "records/01_data/notes.json", "records/01_data-0123456.csv", "records/01_data-0123456x.npz",
    "records/02_models-digits-notes.csv", "records/03_attacks-digits-01234567.npz",
    "records/01_data-01234567.pieces.csv", "records/02_models-shapes/.hidden",
    "logs/mine.log", "logs/01_data.txt",
    "figures/figure-notes.png", "figures/figure-1-digits.txt", "figures/figure-1-digits-mine.svg",
    "tables/table-mine.csv", "tables/table-1-digits.ods",
    "store/thesis.keras", "store/thesis.keras.json", "store/notes.txt",
    "store/mine-0123456789abcdef.npz", "store/mine-0123456789abcdef.npz.json",
    "store/folder/digits-original-0123456789abcdef.keras",
    "../notes.txt", "../quick.txt", "../quick-old/report.html", "../quick-old/manifest.json",
    "../../letter.txt",
)  # fmt: skip


def place(folder: Path) -> dict[Path, bytes]:
    decoys = {folder / name: f"mine: {name}".encode() for name in NAMES}
    card = folder / "store" / "mine-0123456789abcdef.npz.json"
    decoys[card] = b'{"key": {}, "info": {}, "sha256": ""}'  # its key does not give its name
    for path, content in decoys.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return decoys


def piece() -> Piece:
    return Piece("images", "arrays", {"k": 1}, (), (), Request("images", {}, 0, "", {}))


def check(decoys: dict[Path, bytes]) -> None:
    changed = [
        str(path) for path, content in decoys.items()
        if not path.is_file() or path.read_bytes() != content
    ]  # fmt: skip
    assert changed == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 0),
        (["--fresh", "--only", "01_data"], 0),
        (["pair", "--fresh", "--only", "01_data", "--output", "build/quick"], 0),
        (["--set", "mode=error", "--only", "02_models:digits"], 1),
    ],
    ids=["again", "fresh", "another profile", "failing"],
)
def test_a_build_leaves_a_readers_files_alone(built, arguments, code):
    decoys = place(built.output)
    done = built.run(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr.count("reused") == (0 if arguments else 4)  # and they make nothing run again
    check(decoys)


@pytest.mark.slow
def test_a_killed_build_leaves_a_readers_files_alone(built):
    decoys = place(built.output)
    arguments = ("--only", "02_models:digits", "--set", "mode=slow")
    with built.start(*arguments) as process:
        assert wait_for(lambda: (built.output / "pid").exists(), 60)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    check(decoys)
    (built.output / "hurry").touch()
    assert built.run(*arguments).returncode == 0
    check(decoys)


def test_fresh_removes_the_pieces_of_the_store_and_what_they_left(tmp_path):
    decoys = place(tmp_path / "project" / "build" / "quick")
    output = Output(tmp_path / "project" / "build" / "quick")
    begun = output.store / ".data-0123456789abcdef-x_train.npy.1.0123abcd.tmp"  # by a killed build
    begun.touch()
    os.utime(begun, (0, 0))
    store = Store(output.store)
    assert not begun.exists()
    before = set(output.store.iterdir())
    store.arrays(piece(), lambda: {"a": np.ones(3)})
    parked = output.store / "digits-original-0123456789abcdef.keras.checkpoint"
    parked.mkdir()
    (parked / "state.json").write_text("{}")
    (output.store / "digits-original-0123456789abcdef.keras.lock").touch()
    assert len(set(output.store.iterdir()) - before) >= 4
    clear(output, [])
    assert set(output.store.iterdir()) == before
    check(decoys)


def test_what_a_killed_build_had_begun_to_write_goes(tmp_path):
    output = Output(tmp_path / "out")
    decoys = place(output.folder)
    begun = [
        output.folder / ".manifest.json.abcd_123.tmp",
        output.folder / "records" / ".01_data-01234567.pieces.csv.abcd_123.tmp",
        output.folder / "figures" / ".figure-1-digits.svg.abcd_123.tmp",
    ]
    for path in begun:
        path.touch()
    remove_left_overs(output)
    assert all(path.exists() for path in begun)  # perhaps somebody still writes
    for path in (*begun, *decoys):
        os.utime(path, (0, 0))
    remove_left_overs(output)
    assert not any(path.exists() for path in begun)
    check(decoys)


def test_fresh_leaves_no_empty_folder_of_its_own(tmp_path):
    output = Output(tmp_path)
    Store(output.store).arrays(piece(), lambda: {"a": np.ones(3)})
    clear(output, [])
    assert not output.store.exists()


@pytest.mark.parametrize("arguments", [[], ["--fresh"]], ids=["again", "fresh"])
def test_a_manifest_from_elsewhere_deletes_nothing(sandbox, tmp_path, arguments):
    victims = [sandbox.root / "build" / "victim", tmp_path / "victim"]
    decoys = {victim / name: b"mine" for victim in victims for name in ("a.txt", "01_data.ipynb")}
    for path, content in decoys.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    slugs = ["../victim", "../../victim", str(victims[1]), "..", ".", "", "01_data-../../victim"]
    run = {"name": "a", "status": "done"}
    content = {"format": FORMAT, "profile": "quick", "runs": dict.fromkeys(slugs, run)}
    sandbox.output.mkdir(parents=True)
    (sandbox.output / "manifest.json").write_text(json.dumps(content))
    done = sandbox.run("--only", "01_data", *arguments)
    assert done.returncode == 0, done.stderr
    check(decoys)


@pytest.mark.parametrize(
    "slug", ["../victim", "/tmp/victim", "..", "", "01_data/../x", "01_data-é"]
)
def test_only_a_runs_own_name_is_removed(tmp_path, slug):
    with pytest.raises(ParameterError, match="02_models-mnist"):
        remove_run(Output(tmp_path), slug)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    elsewhere, output = tmp_path / "elsewhere", Output(tmp_path / "out")
    names = ("notebooks/01_data.ipynb", "records/01_data-01234567.csv", "logs/01_data.log")
    decoys = {elsewhere / name: b"mine" for name in names}
    for path, content in decoys.items():
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    output.folder.mkdir()
    for name in ("notebooks", "records", "logs"):
        (output.folder / name).symlink_to(elsewhere / name)
    clear(output, ["01_data"])
    check(decoys)


def test_a_notebook_names_no_file_outside_of_its_folders(tmp_path):
    output = Output(tmp_path / "out")
    place(output.folder)
    names = ("figure-1-digits", "table-1-digits", "figure-*", "../notes", "*")
    shown = [f'<figure id="{name}">' for name in names]
    cell = {"cell_type": "code", "source": "", "outputs": [{"data": {"text/html": shown}}]}
    output.notebook("01_data").write_text(json.dumps({"cells": [cell]}))
    own = {"figures/figure-1-digits.svg", "tables/table-1-digits.csv"}
    for name in (*own, "tables/table-4.csv"):  # which another run has shown
        (output.folder / name).touch()
    before = set(tmp_path.rglob("*"))
    remove_run(output, "01_data")
    gone = {str(path.relative_to(output.folder)) for path in before - set(tmp_path.rglob("*"))}
    assert gone == {"notebooks/01_data.ipynb", *own}


def test_publishing_copies_and_replaces_only_what_is_its_own(build, readme, tmp_path):  # noqa: F811
    decoys = place(build)
    target = publish(build, tmp_path / "reports", readme)
    copied = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert not copied & set(NAMES)
    check(decoys)
    mine = {
        tmp_path / "reports" / "standard" / "records" / "notes.txt": b"mine",
        tmp_path / "reports" / "index.html": b"mine",
    }
    for path, content in mine.items():
        path.write_bytes(content)
    text = readme.read_text()
    with pytest.raises(ParameterError, match=os.path.join("records", "notes.txt")):  # noqa: PTH118
        publish(build, tmp_path / "reports", readme)
    check(mine)
    assert readme.read_text() == text
    (tmp_path / "reports" / "standard" / "records" / "notes.txt").unlink()
    publish(build, tmp_path / "reports", readme)
    assert {path.name for path in (tmp_path / "reports").iterdir()} == {"standard", "index.html"}


def test_records_that_no_stamp_lists_stay(tmp_path):
    """An executed notebook names what it wrote: not what somebody put there under such a name."""
    output = Output(tmp_path)
    listed = [
        "01_data-01234567.csv",
        "01_data-01234567.npz",
        "02_models-mnist-01234567.csv",
        "../a.csv",
    ]
    pieces = {"file": "01_data-01234567.pieces.csv"}
    stamp = {"stamp": {}, "records": dict.fromkeys(listed, ""), "pieces": pieces}
    for name in ("a.csv", "records/01_data-89abcdef.csv", "records/01_data-89abcdef.pieces.csv"):
        (output.folder / name).parent.mkdir(exist_ok=True)
        (output.folder / name).touch()
    for name in (*listed, pieces["file"]):
        (output.folder / "records" / name).touch()
    output.notebook("01_data").parent.mkdir()
    output.notebook("01_data").write_text(json.dumps({"cells": [], "metadata": {KEY: stamp}}))
    remove_run(output, "01_data")
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.csv")} == {
        "a.csv",
        "records/01_data-89abcdef.csv",
        "records/01_data-89abcdef.pieces.csv",
        "records/02_models-mnist-01234567.csv",
    }
