"""The identity of a piece: what changes it, and what must not."""

import json
from dataclasses import replace

import pytest

from helpers.experiment import pieces
from helpers.experiment.pieces import Piece, Request, in_order

REQUEST = Request("images", {"attack": "fgsm"}, 0, "03_attacks", {"seed": 0})
CODE = ("helpers.attacks.steps",)


def piece(name="digits-fgsm", key=None, code=CODE, needs=(), kind="arrays", request=REQUEST):
    return Piece(name, kind, key or {"epsilon": 0.1}, code, needs, request)


def test_the_same_things_have_the_same_identity():
    assert piece().identity == piece().identity
    assert piece(key={"a": 1, "b": 2}).identity == piece(key={"b": 2, "a": 1}).identity


@pytest.mark.parametrize(
    "change",
    [
        {"key": {"epsilon": 0.2}},
        {"code": ("helpers.attacks.momentum",)},
        {"code": (*CODE, "helpers.experiment.making:images")},
        {"needs": (piece(),)},
        {"needs": (piece(key={"epsilon": 0.3}),)},
    ],
    ids=str,
)
def test_key_code_and_needs_make_another(change):
    assert piece(**change).identity != piece().identity


def test_a_change_far_below_is_seen_above():
    def above(epsilon):
        lowest = piece(key={"epsilon": epsilon})
        return piece(needs=(piece(key={"middle": 1}, needs=(lowest,)),))

    assert above(0.1).identity != above(0.2).identity


def test_versions_and_onednn_make_another(monkeypatch):
    before = piece().identity
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX")
    other = piece().identity
    monkeypatch.setitem(pieces.VERSIONS, "keras", "0.0")
    assert len({before, other, piece().identity}) == 3


def test_new_code_makes_another(monkeypatch):
    before = piece().identity
    monkeypatch.setattr(pieces, "code_digest", lambda *sources: "changed")
    assert piece().identity != before


def test_names_for_people_and_the_request_do_not_count():
    told = replace(REQUEST, parameters={"seed": 0, "output_dir": "elsewhere"})
    assert piece("a").identity == piece("b").identity == piece(request=told).identity


@pytest.mark.parametrize(("kind", "ending"), [("model", ".keras"), ("arrays", ".npz")])
def test_the_files_name_says_what_it_is(kind, ending):
    found = piece(kind=kind)
    assert found.file_name == f"digits-fgsm-{found.identity}{ending}"


def test_the_order_puts_what_is_needed_first_and_each_once():
    a = piece(key={"n": 1})
    b, c = piece(key={"n": 2}, needs=(a,)), piece(key={"n": 3}, needs=(a,))
    d = piece(key={"n": 4}, needs=(c, b))
    order = in_order([d, piece(key={"n": 1}), b])
    assert [p.key["n"] for p in order] == [1, 3, 2, 4]
    assert in_order([]) == []


def test_a_card_can_be_written_in_json():
    full = piece(needs=(piece(key={"n": 1}),)).full_key
    assert json.loads(json.dumps(full)) == full
