import fcntl
import json
import multiprocessing
import os
import threading
import warnings

import keras
import numpy as np
import pytest
from small_models import linear_model

from helpers.experiment.store import Store, code_digest
from helpers.files import file_digest


def make_model(calls, model=None):
    def make(checkpoint):
        calls.append(checkpoint)
        return model or linear_model(), {"history": [1.0, 2.0]}

    return make


def test_a_model_is_made_once_and_loaded_the_same(tmp_path):
    calls, store = [], Store(tmp_path)
    first = store.model("original", {"seed": 0}, make_model(calls), code=["models"])
    again = Store(tmp_path).model("original", {"seed": 0}, make_model(calls), code=["models"])
    assert len(calls) == 1
    assert again.info == {"history": [1.0, 2.0]}
    assert first.key == again.key
    for one, two in zip(first.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_any_difference_in_the_key_makes_another(tmp_path, monkeypatch):
    calls, store = [], Store(tmp_path)
    store.model("original", {"seed": 0}, make_model(calls), code=["models"])
    store.model("original", {"seed": 1}, make_model(calls), code=["models"])
    store.model("original", {"seed": 0}, make_model(calls), code=["models", "attacks"])
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    store.model("original", {"seed": 0}, make_model(calls), code=["models"])
    monkeypatch.setitem(store_module.VERSIONS, "keras", "0.0")
    store.model("original", {"seed": 0}, make_model(calls), code=["models"])
    assert len(calls) == 5


def test_arrays_come_back_the_same(tmp_path):
    store, calls = Store(tmp_path), []

    def make():
        calls.append(1)
        return {"a": np.arange(5, dtype=np.int32), "b": np.ones((2, 3), bool)}

    for _ in range(2):
        found = store.arrays("images", {"k": 1}, make, code=["attacks"])
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
    store.model("original", {}, make_model(calls), code=[])
    (path,) = tmp_path.glob("original-*.keras")
    damage(path)
    with pytest.warns(UserWarning, match="is damaged .* set aside"):
        store.model("original", {}, make_model(calls), code=[])
    assert len(calls) == 2
    assert list(tmp_path.glob("*.damaged-*"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.model("original", {}, make_model(calls), code=[])
    assert len(calls) == 2


@pytest.mark.parametrize("content", ["{", "[]", "null", '"text"', "1", "{}"])
def test_a_damaged_card_is_made_again(tmp_path, content):
    store, calls = Store(tmp_path), []
    store.model("original", {}, make_model(calls), code=[])
    (card,) = tmp_path.glob("*.keras.json")
    card.write_text(content)
    with pytest.warns(UserWarning, match="damaged"):
        store.model("original", {}, make_model(calls), code=[])
    assert len(calls) == 2


def test_a_failure_leaves_nothing_that_counts(tmp_path):
    store, calls = Store(tmp_path), []

    def fail(checkpoint):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.model("original", {}, fail, code=[])
    assert not list(tmp_path.glob("*.keras*json"))
    store.model("original", {}, make_model(calls), code=[])
    assert len(calls) == 1


def test_the_checkpoint_goes_when_the_model_stays(tmp_path):
    def make(checkpoint):
        checkpoint.mkdir()
        (checkpoint / "state.json").write_text("{}")
        return linear_model(), {}

    Store(tmp_path).model("original", {}, make, code=[])
    assert not list(tmp_path.glob("*.checkpoint"))


def _slow_piece(folder):
    def make():
        with (folder / "calls").open("a") as file:
            file.write("x")
        return {"a": np.ones(3)}

    Store(folder / "store").arrays("shared", {}, make, code=[])


def test_two_builds_make_a_piece_once(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_slow_piece, args=(tmp_path,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (tmp_path / "calls").read_text() == "x"


def test_a_wait_for_another_process_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("helpers.files.LOCK_PATIENCE", 0.1)
    store = Store(tmp_path)

    def make():
        (lock,) = (path for path in tmp_path.glob("shared-*.lock"))
        return {"name": np.array(lock.name)}

    name = str(store.arrays("shared", {}, make, code=[])["name"])
    held = (tmp_path / name).open("w")  # a lock of its own, as another process has
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Timer(0.5, held.close).start()
    store.arrays("shared", {}, make, code=[])
    said = capsys.readouterr().err
    assert name.removesuffix(".lock") in said
    assert said.count("waiting") == 1


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    ended = multiprocessing.get_context("fork").Process(target=int)
    ended.start()
    ended.join()
    piece, dead, alive = "digits-original-0123456789abcdef", ended.pid, os.getpid()
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
    store.arrays("images", {}, lambda: {"a": np.ones(3)}, code=[])
    (path,) = tmp_path.glob("*.npz")
    np.savez(path, a=np.array([{"evil": 1}], dtype=object))
    card = path.with_name(path.name + ".json")
    content = json.loads(card.read_text()) | {"sha256": file_digest(path)}
    card.write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="damaged"):
        found = store.arrays("images", {}, lambda: {"a": np.ones(3)}, code=[])
    np.testing.assert_array_equal(found["a"], np.ones(3))


def test_code_digest_sees_code_and_not_words(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def digest(text):
        (tmp_path / "probe.py").write_text(text)
        code_digest.cache_clear()
        return code_digest("probe")

    plain = digest('"""Doc."""\ndef f(x):\n    """Doc."""\n    return x + 1\n')
    assert digest("def f(x):\n\n    # why\n    return (x + 1)\n") == plain
    assert digest("def f(x):\n    return x + 2\n") != plain
    code_digest.cache_clear()


def test_an_impossible_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be made"):
        Store(tmp_path / "file" / "store")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="cannot be written"):
        Store(tmp_path)


def test_a_stored_model_is_a_keras_file(tmp_path):
    Store(tmp_path).model("original", {}, make_model([]), code=[])
    (path,) = tmp_path.glob("*.keras")
    assert isinstance(keras.models.load_model(path), keras.Model)
