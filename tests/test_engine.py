"""Pieces on Dask's workers, on loopback: the same as without, whatever dies meanwhile."""

import asyncio
import concurrent.futures
import json
import os
import signal
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import dask
import numpy as np
import pytest

from helpers.experiment import engine, pieces, trust
from helpers.experiment.experiment import Experiment
from helpers.experiment.pieces import SCHEDULER
from helpers.parameters import validate
from helpers.profiles import load_profile

TINY = {"n_train": 60, "n_test": 20, "epochs": 1, "n_members": 2, "member": 1, "lbfgs_n_test": 2}
RUN = "04_ensembles:digits"


def experiment(store, **changes) -> Experiment:
    profile = load_profile("quick", overrides=TINY | changes, only=[RUN])
    (run,) = profile.runs
    return Experiment(validate(run.chapter, run.parameters | {"store_dir": str(store)}))


@pytest.fixture(scope="module")
def two_workers():
    with engine.local(2) as address:
        yield address


@pytest.fixture
def on_two(two_workers, monkeypatch):
    monkeypatch.setenv(SCHEDULER, two_workers)


def content(one):
    """What there is of models and images, as arrays."""
    members = one.members()
    ensemble = one.ensemble(members)
    images = [one.attacked(a, s) for a in ("fgsm", "bim") for s in (one.original(), ensemble)]
    pairs = [(ensemble, made) for made in images]
    one.make(images, pairs)
    weights = [w for subject in (one.original(), *members) for w in subject.model.get_weights()]
    return [*weights, *(i.x_adv for i in images), *(one.logits(*pair) for pair in pairs)]


@pytest.mark.slow
def test_two_workers_make_what_one_makes_and_a_replay_nothing(
    on_two, tmp_path, capsys, monkeypatch
):
    wide = experiment(tmp_path / "wide")
    found = content(wide)
    assert sum(card["made"] for card in wide.store.used.values()) == 11
    assert {card["threads"] for card in wide.store.used.values()} == {1}
    assert "11 pieces in" in capsys.readouterr().err
    again = experiment(tmp_path / "wide")
    for one, other in zip(found, content(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not any(card["made"] for card in again.store.used.values())
    assert "pieces in" not in capsys.readouterr().err
    with engine.local(1) as address:
        monkeypatch.setenv(SCHEDULER, address)
        for one, other in zip(found, content(experiment(tmp_path / "narrow")), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_killed_worker_costs_only_what_it_was_making(on_two, tmp_path):
    one = experiment(tmp_path, epochs=30, patience=30)
    killed = []

    def kill():
        client = engine.Engine(os.environ[SCHEDULER]).client
        end = time.monotonic() + 90
        while not killed and time.monotonic() < end:
            busy = [w for w, keys in client.processing().items() if "member_1" in str(keys)]
            if busy:
                time.sleep(1)  # in the middle of it
                killed.append(client.run(os.getpid, workers=busy[:1]))
                os.kill(next(iter(killed[0].values())), signal.SIGKILL)
            time.sleep(0.05)
        client.close()

    thread = threading.Thread(target=kill)
    thread.start()
    one.make(one.members())
    thread.join()
    assert killed
    assert len(one.member(1).history["loss"]) == 30
    assert all(one.store.has(piece) for member in one.members() for piece in member.pieces)


@pytest.mark.slow
def test_looking_often_leaves_nothing_behind(asked, monkeypatch):
    monkeypatch.setattr(engine, "LOOK", 0.02)
    futures = {str(k): asked.client.submit(time.sleep, 0.2, pure=False) for k in range(20)}
    loop, waiting = asked.client.loop.asyncio_loop, []
    line = SimpleNamespace(
        due=True, done=lambda identity: None,
        show=lambda *_: waiting.append(len(asyncio.all_tasks(loop))),
    )  # fmt: skip
    assert asked._wait(futures, line) == {}
    assert len(waiting) > 20
    assert max(waiting) < 20 + 50  # a waiter for each piece, and what the client does itself
    # A worker that dies takes nothing along that was made: nobody holds it.
    end, keys = time.monotonic() + 10, {future.key for future in futures.values()}
    while keys & set(asked.client.who_has()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not keys & set(asked.client.who_has())


@pytest.mark.slow
def test_what_fails_by_its_nature_is_named_with_what_waited_for_it(on_two, tmp_path):
    one = experiment(tmp_path)
    (piece,) = one.member(1).pieces
    broken = replace(piece, request=replace(piece.request, arguments={"number": 1}))
    broken_images = replace(one.attacked("fgsm", one.member(1)).pieces[0], needs=(broken,))
    with pytest.raises(engine.PieceError) as caught:
        one.make(broken, broken_images, one.member(2))
    told = str(caught.value)
    assert "digits-member_1 could not be made: TypeError" in told
    assert "1 waited for it: digits-fgsm" in told
    assert "member_2" not in told
    assert one.store.has(one.member(2).pieces[0])


def test_only_the_same_piece_in_the_same_store_is_one_task(tmp_path):
    (piece,) = experiment(tmp_path).member(1).pieces
    key = engine._key(piece, tmp_path, 0)
    assert key == engine._key(experiment(tmp_path).member(1).pieces[0], tmp_path, 0)
    otherwise = replace(piece, request=replace(piece.request, arguments={"number": 1}))
    others = [(piece, tmp_path / "other", 0), (piece, tmp_path, 1), (otherwise, tmp_path, 0)]
    assert len({key, *(engine._key(*other) for other in others)}) == 4
    assert piece.file_name in key


@pytest.mark.slow
def test_a_full_disk_on_one_worker_is_gone_round(on_two, tmp_path):
    asked = engine.Engine(os.environ[SCHEDULER])
    one = experiment(tmp_path)
    worker = next(iter(asked.client.scheduler_info()["workers"]))
    asked.client.run(_fill_disk, workers=[worker])
    try:
        one.make(one.members(), one.original())
    finally:
        asked.client.run(_empty_disk, workers=[worker])
        asked.close()
    assert all(one.store.has(s.pieces[0]) for s in (*one.members(), one.original()))


def _fill_disk():
    from helpers.experiment import performing

    def full(*_):
        raise OSError(28, "No space left on device")

    performing.kept, performing.perform = performing.perform, full


def _empty_disk():
    from helpers.experiment import performing

    performing.perform = performing.kept


# Refusals


@pytest.fixture(scope="module")
def asked(two_workers):
    found = engine.Engine(two_workers)
    yield found
    found.close()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["numpy", "Python", "lock", "code", "oneDNN"])
def test_a_worker_that_differs_is_refused(asked, tmp_path, what):
    asked.check(tmp_path)
    asked.client.run(_differ, what)
    try:
        with pytest.raises(trust.EngineError, match=rf"worker tcp://.* differs: {what} is 1\.0"):
            asked.check(tmp_path)
    finally:
        asked.client.run(_agree)
    asked.check(tmp_path)


def _differ(what):
    from helpers.experiment import trust

    trust.kept, here = trust.fingerprint, trust.fingerprint()
    trust.fingerprint = lambda: here | {what: "1.0"}


def _agree():
    from helpers.experiment import trust

    trust.fingerprint = trust.kept


def test_two_fingerprints_that_agree_have_no_difference():
    found = trust.fingerprint()
    assert trust.differences(found, dict(found)) == ""
    assert {"Python", "lock", "code", "oneDNN", *pieces.VERSIONS} == found.keys()


@pytest.mark.slow
def test_workers_that_do_not_see_the_store_are_refused(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_sees", lambda folder, token: False)
    with pytest.raises(trust.EngineError, match=f"does not see the folder {tmp_path}"):
        asked.check(tmp_path)


@pytest.mark.slow
def test_data_that_are_not_those_asked_for_are_refused(on_two, tmp_path):
    one = experiment(tmp_path)
    one.make(one.original())
    path = next(tmp_path.glob("data-*-x_train.npy"))
    other = np.load(path)
    other[0] = 0.5
    np.save(path, other)
    with engine.local(1) as address:  # which has not mapped them yet
        os.environ[SCHEDULER] = address
        with pytest.raises(engine.PieceError, match="holds other data than were asked for"):
            one.make(one.member(1))


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8786", "tcp://localhost:1", "tls://far:8786", "[::1]:5"]
)
def test_addresses_of_this_machine_or_over_tls_are_taken(address):
    assert trust.address_of(address).endswith(address)


@pytest.mark.parametrize("address", ["tcp://10.0.0.5:8786", "far.example:8786", "tcp://0.0.0.0:1"])
def test_addresses_open_to_a_network_are_refused_unless_it_is_ones_own(address, monkeypatch):
    with pytest.raises(trust.EngineError, match="--insecure-cluster"):
        trust.address_of(address)
    monkeypatch.setenv(trust.INSECURE, "1")
    assert trust.address_of(address).endswith(address)


def test_a_schedulers_file_names_its_address(tmp_path):
    file = tmp_path / "scheduler.json"
    with pytest.raises(trust.EngineError, match=r"scheduler\.json is no file of a Dask scheduler"):
        trust.address_of(str(file))
    file.write_text(json.dumps({"address": "tcp://10.0.0.5:8786"}))
    with pytest.raises(trust.EngineError, match=r"10\.0\.0\.5"):
        trust.address_of(str(file))
    file.write_text(json.dumps({"address": "tcp://127.0.0.1:8786"}))
    assert trust.address_of(str(file)) == "tcp://127.0.0.1:8786"


def test_a_cluster_over_tls_wants_certificates(tmp_path):
    with pytest.raises(trust.EngineError, match=r"none are set.*CLIENT__CERT"):
        engine.Engine("tls://127.0.0.1:9")
    there_is_none = dask.config.set({"distributed.comm.tls.ca-file": str(tmp_path / "ca.pem")})
    with there_is_none, pytest.raises(trust.EngineError, match="wants certificates"):
        engine.Engine("tls://127.0.0.1:9")


@pytest.mark.slow
def test_a_lost_scheduler_is_named(tmp_path, monkeypatch):
    """What is raised by the client is not always of the same kind."""
    with engine.local(1) as address:
        asked = engine.Engine(address)
    (piece,) = experiment(tmp_path).member(1).pieces
    future = SimpleNamespace(add_done_callback=lambda told: None, done=lambda: False)
    for error in (concurrent.futures.CancelledError(), asyncio.CancelledError(), OSError()):

        def lost(*_, error=error, **__):
            raise error

        monkeypatch.setattr(asked, "_under_way", lost)
        with pytest.raises(trust.EngineError, match=r"is gone.*the same command goes on"):
            asked._wait({piece.identity: future}, engine.PiecesLine([piece], {piece.identity: 1.0}))


def test_where_no_scheduler_answers_it_is_said(monkeypatch):
    monkeypatch.setattr(engine, "PATIENCE", 0.5)
    with pytest.raises(trust.EngineError, match=r"127\.0\.0\.1:9"):
        engine.Engine("127.0.0.1:9")
