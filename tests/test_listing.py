"""What a build would make, listed without making it, and how long that takes so many workers."""

from types import SimpleNamespace

import pytest

from helpers.experiment.costs import BASES, Costs
from helpers.experiment.pieces import Piece, Request
from helpers.experiment.schedule import critical_path, priorities, simulate
from helpers.report import listing
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


def test_costs_come_from_cards_of_the_same_kind_then_of_the_nearest(tmp_path):
    network = ["table_2", {}, (28, 28, 1), 10]
    for name, kind, passes in (
        ("a", "images bim", 100),
        ("b", "images bim", 300),
        ("c", "logits", 5),
    ):
        card = {
            "processor_seconds": 3.0,
            "size": {"kind": kind, "network": network, "passes": passes},
        }
        (tmp_path / f"{name}.json").write_text(
            str(card).replace("'", '"').replace("(", "[").replace(")", "]")
        )
    (tmp_path / "damaged.json").write_text("{")
    costs = Costs(tmp_path)

    def seconds(kind, passes):
        size = {"kind": kind, "network": network, "passes": passes}
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


def forecast(tmp_path, profile, only):
    return listing.forecast(plan(profile, only, (), None, tmp_path / "out"))


def test_a_chapter_lists_what_it_trains_and_attacks(tmp_path):
    found = forecast(tmp_path, "quick", ("07_attacks_on_defences:digits",))
    names = [p.name.removeprefix("digits-") for p in found.pieces]
    trained = {n for n in names if n.startswith(("original", "member", "retrained"))}
    assert {"original", "member_4", "member_1_of_team_2", "retrained_bim_epoch_member_2"} <= trained
    assert len(trained) == 1 + 4 + 1 + 3 + 6
    assert names.count("cw") == 8  # on every defence
    assert names.count("momentum_bim") == 3 + 2 + 4  # the rungs of the ladder
    assert not found.there
    assert not (tmp_path / "out" / "store").exists() or not list(
        (tmp_path / "out" / "store").glob("*.npz")
    )


def test_real_data_that_are_not_at_hand_are_listed_too(tmp_path):
    job = plan("paper", ("02_models:cifar10",), (), tmp_path, tmp_path / "out")
    found = listing.forecast(job)
    assert [p.name for p in found.pieces] == ["cifar10-original", "cifar10-logits"]
    assert found.pieces[0].size["passes"] == 3 * 40 * 50_000
    told = list(found.told((1, 8)))
    assert told[8].startswith("The seconds of the pieces rest: ")
    assert sum(found.bases.values()) == 2
    assert "to be made" in told[0]
    assert told[2].startswith("From nothing: 2 pieces")
