"""What a build would make, listed without making it, and how long that takes so many workers."""

import io
import json
from types import SimpleNamespace

import pytest

from helpers.experiment.costs import BASES, Costs, _attack
from helpers.experiment.experiment import Experiment
from helpers.experiment.pieces import Piece, Request
from helpers.experiment.schedule import critical_path, priorities, simulate
from helpers.parameters import validate
from helpers.report import listing
from helpers.report.pieces import make_pieces
from helpers.report.plan import plan


def piece(name, *needs):
    return Piece(name, "arrays", {"name": name}, (), needs, Request("images", {}, 0, "", {}))


@pytest.fixture
def tree():
    """A trunk of 5 s, two branches of 3 and 1 s, a leaf of 2 s on the long one, and one of 4 s alone."""
    trunk, alone = piece("trunk"), piece("alone")
    long, short = piece("long", trunk), piece("short", trunk)
    pieces = [trunk, long, short, piece("leaf", long), alone]
    took = {"trunk": 5.0, "long": 3.0, "short": 1.0, "leaf": 2.0, "alone": 4.0}
    return pieces, {p.identity: took[p.name] for p in pieces}


def test_what_most_waits_for_goes_first(tree):
    pieces, seconds = tree
    first = priorities(pieces, seconds)
    assert [first[p.identity] for p in pieces] == [10, 5, 1, 2, 4]
    assert [p.name for p in critical_path(pieces, seconds)] == ["trunk", "long", "leaf"]


@pytest.mark.parametrize(("workers", "expected"), [(1, 15), (2, 10), (8, 10)])
def test_the_time_of_workers_is_simulated(tree, workers, expected):
    assert simulate(*tree, workers) == expected


def test_what_is_there_is_not_waited_for(tree):
    pieces, seconds = tree
    assert simulate(pieces[1:], seconds, 8) == 5
    assert simulate([], {}, 3) == 0
    assert critical_path([], {}) == []


NETWORK = ("table_2", {}, (28, 28, 1), 10)


def write_card(folder, name, kind, passes, seconds):
    size = {"kind": kind, "network": NETWORK, "passes": passes}
    card = {"processor_seconds": seconds, "size": size}
    (folder / f"{name}.json").write_text(json.dumps(card))


def test_costs_come_from_cards_of_the_same_kind_then_of_the_nearest(tmp_path):
    for card in (("a", "images bim", 100), ("b", "images bim", 300), ("c", "logits", 5)):
        write_card(tmp_path, *card, seconds=3.0)
    (tmp_path / "damaged.json").write_text("{")
    costs = Costs(tmp_path)

    def seconds(kind, passes):
        size = {"kind": kind, "network": NETWORK, "passes": passes}
        return costs.seconds(SimpleNamespace(file_name="none", size=size))

    assert seconds("images bim", 600) == pytest.approx(6)  # as the larger of the two
    assert seconds("images pgd", 600) == pytest.approx(6)
    assert seconds("logits", 10) == pytest.approx(6)
    assert costs.seconds(SimpleNamespace(file_name="a")) == 3.0  # its own

    def basis(kind, wide=1.0):
        size = {"kind": kind, "network": ["table_2", {"width": wide}, [28, 28, 1], 10]}
        return costs.basis(SimpleNamespace(file_name="none", size=size))

    assert costs.basis(SimpleNamespace(file_name="a")) == BASES[0]
    assert [basis("images bim"), basis("images pgd"), basis("original")] == list(BASES[2:5])
    none = Costs(tmp_path / "nothing")
    assert none.basis(SimpleNamespace(file_name="a", size={"kind": "x", "network": 1})) == BASES[-1]


def test_what_it_took_to_start_is_not_taken_for_the_speed_of_much_larger_ones(tmp_path):
    write_card(tmp_path, "a", "images cw", 10, 5.0)
    write_card(tmp_path, "b", "original", 9000, 9.0)
    costs = Costs(tmp_path)

    def seconds(passes):
        size = {"kind": "images cw", "network": NETWORK, "passes": passes}
        return costs.seconds(SimpleNamespace(file_name="none", size=size))

    assert seconds(50) == pytest.approx(25)
    assert seconds(5000) == pytest.approx(5)


def test_passes_of_an_outside_attack_are_what_it_asks_for():
    few, many = ({"iterations": n} for n in (10, 1000))
    assert _attack("cw", many) == 10 * _attack("cw", few)  # it takes ten steps at least
    assert _attack("square", many) == 100 * _attack("square", few) == 10_000
    assert _attack("bim", {"steps": 7, "epsilon": 0.1}) == 21


def forecast(tmp_path, profile, only):
    return listing.forecast(plan(profile, only, (), None, tmp_path / "out"))


def test_a_chapter_lists_what_it_trains_and_attacks(tmp_path):
    found = forecast(tmp_path, "quick", ("07_attacks_on_defences:digits",))
    names = [p.name.removeprefix("digits-") for p in found.pieces]
    trained = {n for n in names if n.startswith(("original", "member", "retrained"))}
    assert {"original", "member_4", "member_1_of_team_2", "retrained_bim_epoch_member_2"} <= trained
    assert {"retrained_bim_batch_member_1", "retrained_pgd_batch"} <= trained
    assert len(trained) == 1 + 4 + 1 + 6 + 3 * 2
    assert names.count("cw") == 1 + 6 + 1 + 3  # on every defence
    assert names.count("strongest") == 11 + 4  # on the ensembles through two means
    assert (
        names.count("momentum_bim") == 3 + 2 + 4 + 9
    )  # the rungs of the ladder, the other defences
    assert not found.there
    assert not (tmp_path / "out" / "store").exists() or not list(
        (tmp_path / "out" / "store").glob("*.npz")
    )


def test_real_data_that_are_not_at_hand_are_listed_too(tmp_path):
    job = plan("paper", ("02_models:cifar10",), (), tmp_path, tmp_path / "out")
    found = listing.forecast(job)
    # A model for each seed, with its answers.
    assert sorted(p.name for p in found.pieces) == ["cifar10-logits"] * 3 + ["cifar10-original"] * 3
    assert len({p.request.seed for p in found.pieces if p.kind == "model"}) == 3
    assert found.pieces[0].size["passes"] == 3 * 40 * 50_000
    told = list(found.told((1, 8)))
    assert told[12].startswith("The seconds of the pieces rest: ")
    assert sum(found.bases.values()) == 6
    assert "to be made" in told[0]
    assert told[6].startswith("From nothing: 6 pieces")


@pytest.fixture
def nothing_known():
    """Nothing is remembered of data sets, before and after."""
    listing._bare.cache_clear()
    yield
    listing._bare.cache_clear()


def test_data_are_read_only_to_tell_what_is_there(tmp_path, monkeypatch, nothing_known):
    """A whole ImageNet would be read for nothing where the store is empty; where not, once."""
    read = []

    def load(name, **asked):
        read.append(name)
        return listing._black(listing.DATASETS[name], 10, 10, 0)

    monkeypatch.setattr(listing, "load", load)
    (tmp_path / "cifar-10-batches-bin").mkdir()
    chapters = ("02_models:cifar10", "03_attacks:cifar10")
    job = plan("paper", chapters, (), tmp_path, tmp_path / "out")
    from_nothing = listing.forecast(job)
    assert not read
    store = tmp_path / "out" / "store"
    store.mkdir(parents=True, exist_ok=True)
    (store / "cifar10-original-0.keras.json").write_text("{}")
    found = listing.forecast(job)
    assert read == ["cifar10"]
    assert [p.name for p in found.pieces] == [p.name for p in from_nothing.pieces]


def test_every_seed_of_a_retraining_is_a_piece_of_the_plan(tmp_path):
    values = ("n_seeds=2", "fit_epsilons=[0.1]")
    job = plan("quick", ("05_retraining:digits",), values, None, tmp_path / "out")
    by_seed = {0: set(), 1: set()}
    for piece in listing.forecast(job).pieces:
        if piece.kind == "model":
            by_seed[piece.request.seed].add(piece.name.removeprefix("digits-"))
    ways = {f"retrained_{a}_{way}" for a in ("fgsm", "bim") for way in ("epoch", "batch")}
    assert by_seed[1] == {"original", "retrained_none_epoch", *ways}
    assert by_seed[1] < by_seed[0]


@pytest.mark.slow
def test_pieces_are_made_without_notebooks_and_found_by_them(tmp_path):
    """As `--pieces` makes them, a notebook's experiment finds them: it makes nothing more."""
    values = ("epochs=1", "n_train=100", "n_test=20", "n_seeds=2")
    job = plan("quick", ("02_models:digits",), values, None, tmp_path / "out")
    make_pieces(job, "models", io.StringIO())
    (run,) = job.runs()
    experiment = Experiment(validate(run.chapter, job.output.parameters(run, job.data_dir)))
    wanted = [experiment.with_seed(seed).original().pieces[0] for seed in (0, 1)]
    assert all(map(experiment.store.has, wanted))
    assert [path.suffix for path in job.output.store.glob("*.npz")] == []
    make_pieces(job, "all", io.StringIO())
    names = [path.name for path in job.output.store.glob("*.npz")]
    assert len(names) == 2
    assert listing.forecast(job).left == []
