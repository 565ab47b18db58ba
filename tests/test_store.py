"""The store: made once, whole or not at all, each piece with its card."""

import fcntl
import json
import multiprocessing
import os
import time
import warnings

import numpy as np
import pytest
from small_models import linear_model

from helpers import files
from helpers.experiment import store
from helpers.experiment.pieces import Piece, Request
from helpers.experiment.store import Store
from helpers.files import file_digest


def piece(name="original", kind="model", **key):
    return Piece(name, kind, key, (), (), Request("original", {}, 0, "", {}))


def arrays(name="images"):
    return piece(name, "arrays")


def make_model(calls, model=None):
    def make(checkpoint):
        calls.append(checkpoint)
        return model or linear_model(), {"history": [1.0, 2.0]}

    return make


def test_a_model_is_made_once_and_loaded_the_same(tmp_path):
    calls, first, second = [], Store(tmp_path), Store(tmp_path)
    one, told = first.model(piece(), make_model(calls))
    other, again = second.model(piece(), make_model(calls))
    assert len(calls) == 1
    assert told == again == {"history": [1.0, 2.0]}
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    second.model(piece(seed=1), make_model(calls))
    assert len(calls) == 2


def test_what_was_made_and_what_was_loaded_is_told(tmp_path):
    first, name = Store(tmp_path), piece().file_name
    assert not first.has(piece())
    first.model(piece(), make_model([]))
    assert first.has(piece())
    first.model(piece(), make_model([]))  # loaded, but made here before
    second = Store(tmp_path)
    assert second.used == {}
    second.model(piece(), make_model([]))
    assert (first.used[name]["made"], second.used[name]["made"]) == (True, False)


def test_what_only_workers_load_counts_too(tmp_path):
    assert not Store(tmp_path).look_for(piece())
    Store(tmp_path).model(piece(), make_model([]))
    counted = Store(tmp_path)
    assert counted.look_for(piece())
    assert counted.used[piece().file_name]["made"] is False
    (tmp_path / f"{piece().file_name}.json").write_text("{")
    damaged = Store(tmp_path)
    assert damaged.look_for(piece())  # seen when it is loaded
    assert damaged.used == {}


def test_a_card_says_what_it_is_and_where_when_and_how_long_it_was_made(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    Store(tmp_path).model(piece(seed=4), make_model([]))
    (path,) = tmp_path.glob("*.keras.json")
    card = json.loads(path.read_text())
    assert card["key"] == piece(seed=4).full_key
    assert card["sha256"] == file_digest(tmp_path / piece(seed=4).file_name)
    assert card["threads"] == 3
    assert card["cpu"]
    assert card["seconds"] >= 0
    assert card["processor_seconds"] >= 0
    assert card["started"].startswith("20")
    assert "revision" in card


def test_what_a_training_took_before_it_was_interrupted_counts(tmp_path):
    Store(tmp_path).model(piece(), lambda checkpoint: (linear_model(), {"seconds": [1234.5]}))
    assert Store(tmp_path).card(piece())["processor_seconds"] == 1234.5


def test_arrays_come_back_the_same(tmp_path):
    store, calls = Store(tmp_path), []

    def make():
        calls.append(1)
        return {"a": np.arange(5, dtype=np.int32), "b": np.ones((2, 3), bool)}

    for _ in range(2):
        found = store.arrays(arrays(), make)[0]
        np.testing.assert_array_equal(found["a"], np.arange(5))
        assert found["a"].dtype == np.int32
        assert found["b"].shape == (2, 3)
    assert len(calls) == 1


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [flip, lambda path: path.write_bytes(path.read_bytes()[:100]), lambda path: path.unlink()],
    ids=["flipped byte", "truncated", "gone"],
)
def test_a_damaged_piece_is_reported_set_aside_and_made_again(tmp_path, damage):
    store, calls = Store(tmp_path), []
    store.model(piece(), make_model(calls))
    (path,) = tmp_path.glob("original-*.keras")
    damage(path)
    with pytest.warns(UserWarning, match="is damaged .* set aside"):
        store.model(piece(), make_model(calls))
    assert len(calls) == 2
    assert list(tmp_path.glob("*.damaged-*"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.model(piece(), make_model(calls))
    assert len(calls) == 2


@pytest.mark.parametrize("content", ["{", "[]", "null", '"text"', "1", "{}"])
def test_a_damaged_card_is_made_again(tmp_path, content):
    store, calls = Store(tmp_path), []
    store.model(piece(), make_model(calls))
    (card,) = tmp_path.glob("*.keras.json")
    card.write_text(content)
    with pytest.warns(UserWarning, match="damaged"):
        store.model(piece(), make_model(calls))
    assert len(calls) == 2


def test_a_failure_leaves_nothing_that_counts(tmp_path):
    store, calls = Store(tmp_path), []

    def fail(checkpoint):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.model(piece(), fail)
    assert not list(tmp_path.glob("*.keras*json"))
    store.model(piece(), make_model(calls))
    assert len(calls) == 1


def test_killed_in_the_middle_it_leaves_nothing_half(tmp_path):
    """The process ends between the file and its card."""

    def die():
        def make():
            return {"a": np.ones(3)}

        files.write_atomically = store.write_atomically = lambda *_: os._exit(9)
        Store(tmp_path).arrays(arrays(), make)

    killed = multiprocessing.get_context("fork").Process(target=die)
    killed.start()
    killed.join(60)
    assert killed.exitcode == 9
    again, calls = Store(tmp_path), []
    assert not again.has(arrays())
    again.arrays(arrays(), lambda: calls.append(1) or {"a": np.zeros(3)})
    assert calls == [1]
    np.testing.assert_array_equal(Store(tmp_path).arrays(arrays(), dict)[0]["a"], np.zeros(3))
    assert not [path for path in tmp_path.iterdir() if ".part" in path.name]


def test_the_checkpoint_goes_when_the_model_stays(tmp_path):
    def make(checkpoint):
        checkpoint.mkdir()
        (checkpoint / "state.json").write_text("{}")
        return linear_model(), {}

    Store(tmp_path).model(piece(), make)
    assert not list(tmp_path.glob("*.checkpoint"))


def _slow_piece(folder):
    def make():
        with (folder / "calls").open("a") as file:
            file.write("x")
        time.sleep(0.2)
        return {"a": np.ones(3)}

    Store(folder / "store").arrays(arrays("shared"), make)


def test_two_builds_make_a_piece_once(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_slow_piece, args=(tmp_path,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    assert (tmp_path / "calls").read_text() == "x"


def test_a_wait_for_another_process_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("helpers.files.LOCK_PATIENCE", 0.1)
    name = arrays("shared").file_name
    held = (tmp_path / f"{name}.lock").open("w")  # a lock of its own, as another process has
    fcntl.flock(held, fcntl.LOCK_EX)

    def say(text, **options):
        print(text, **options)
        held.close()

    monkeypatch.setattr(store, "print", say, raising=False)
    Store(tmp_path).arrays(arrays("shared"), lambda: {"a": np.ones(3)})
    said = capsys.readouterr().err
    assert f"waiting for {name}, " in said
    assert said.count("waiting") == 1


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    piece, alive = "digits-original-0123456789abcdef", os.getpid()
    dead = 2**22 + 1  # no process has this number
    names = {
        f"{piece}.{dead}.part.keras": False,
        f"{piece}.{alive}.part.keras": True,
        f".{piece}.keras.json.{dead}.abcd_123.tmp": False,
        f".{piece}.keras.json.{alive}.abcd_123.tmp": True,
        f"thesis.{dead}.part.keras": True,
        f".thesis.json.{dead}.abcd_123.tmp": True,
        "film.part": True,
    }
    for name in names:
        (tmp_path / name).write_text("")
    parked = tmp_path / f"{piece}.keras.checkpoint.{dead}.part"
    parked.mkdir()
    (parked / "now.npz").write_text("")
    Store(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {n for n, stays in names.items() if stays}


def test_nothing_is_unpickled(tmp_path):
    store = Store(tmp_path)
    store.arrays(arrays(), lambda: {"a": np.ones(3)})
    (path,) = tmp_path.glob("*.npz")
    np.savez(path, a=np.array([{"evil": 1}], dtype=object))
    card = path.with_name(path.name + ".json")
    content = json.loads(card.read_text()) | {"sha256": file_digest(path)}
    card.write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="damaged"):
        found = store.arrays(arrays(), lambda: {"a": np.ones(3)})[0]
    np.testing.assert_array_equal(found["a"], np.ones(3))


def test_an_impossible_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be made"):
        Store(tmp_path / "file" / "store")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="cannot be written"):
        Store(tmp_path)
