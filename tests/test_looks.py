"""Every attack and every model looks the same in all figures, and different from all others."""

from dataclasses import replace

import pytest
from made_up_run import ENSEMBLE, MEMBER, RETRAINED, ensemble, scored

from helpers import attacks
from helpers.attacks import ATTACKS
from helpers.evaluation.model_id import ORIGINAL
from helpers.figures import looks


def test_looks_differ_and_belong_to_attacks():
    assert [name for name in ATTACKS if name in looks.ATTACK_LOOKS] == list(looks.ATTACK_LOOKS)
    for known in (looks.ATTACK_LOOKS, looks.MODEL_LOOKS):
        for part in ("colour", "marker", "hatch"):
            values = [getattr(look, part) for look in known.values()]
            assert len(set(values)) == len(values), part


def test_no_colour_stands_for_two_things():
    every = [*looks.ATTACK_LOOKS.values(), *looks.MODEL_LOOKS.values(), *looks.SPARE]
    assert len({look.colour for look in every}) == len(every)


def luminance(colour):
    """Relative luminance (WCAG 2), of black 0 and of white 1."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_all_colours_can_be_seen_on_white():
    every = [*looks.ATTACK_LOOKS.values(), *looks.MODEL_LOOKS.values(), *looks.SPARE]
    assert min(1.05 / (luminance(look.colour) + 0.05) for look in every) > 1.5


def test_a_new_attack_gets_a_spare_look(monkeypatch):
    new = {name: replace(ATTACKS["fgsm"], name=name, label=name.upper()) for name in ("a", "b")}
    monkeypatch.setattr(looks, "ATTACKS", ATTACKS | new)
    first, second = looks.attack_look("a"), looks.attack_look("b")
    assert (first.label, second.label) == ("A", "B")
    assert first.colour != second.colour
    assert {first.colour, second.colour} <= {spare.colour for spare in looks.SPARE}
    assert attacks.ATTACKS is ATTACKS


@pytest.mark.parametrize(
    ("model", "key"),
    [
        (ORIGINAL, ("original", "")),
        (MEMBER, ("member", "")),
        (ensemble(7), ("ensemble", "")),
        (replace(ENSEMBLE, combine="majority", recipe="sigma=0"), ("ensemble", "")),
        (RETRAINED, ("original", "fgsm")),
        (replace(RETRAINED, regenerate="batch"), ("original", "fgsm")),
        (replace(RETRAINED, kind="member", member=2), ("original", "fgsm")),
        (replace(ENSEMBLE, retrained_on="bim", regenerate="epoch"), ("ensemble", "bim")),
    ],
)
def test_a_model_looks_like_its_kind(model, key):
    look = looks.model_look(model)
    assert look.colour == looks.MODEL_LOOKS[key].colour
    assert look.label == str(model)


def test_series_that_compare_attacks_look_like_attacks():
    found = looks.looks({a: [scored(a, 9), scored(a, 8)] for a in ("bim", "none")})
    assert found["bim"].colour == looks.ATTACK_LOOKS["bim"].colour
    assert found["none"].label == "no attack"


def test_series_that_compare_models_look_like_models_and_stay_apart():
    models = (ORIGINAL, MEMBER, replace(MEMBER, member=2), ENSEMBLE)
    found = looks.looks({model: [scored("bim", 9, model)] for model in models})
    assert found[ORIGINAL].colour == looks.MODEL_LOOKS["original", ""].colour
    assert found[ENSEMBLE].label == "ensemble of 3"
    assert len({look.colour for look in found.values()}) == 4


def test_one_attack_made_in_two_ways_is_drawn_in_two_colours():
    series = {a: [scored(a, 9, ENSEMBLE)] for a in ("fgsm", "bim")}
    found = looks.looks(series | {"BIM on itself": [scored("bim", 5, ENSEMBLE, made_on=ENSEMBLE)]})
    assert found["bim"].colour == looks.ATTACK_LOOKS["bim"].colour
    assert found["BIM on itself"].colour in {spare.colour for spare in looks.SPARE}


def test_grouping_keeps_the_order_and_knows_models_and_parameters():
    records = [scored("bim", k, ensemble(k), epsilon=0.1 * (k % 2)) for k in (3, 1, 2)]
    assert list(looks.grouped(records, "n_members")) == [3, 1, 2]
    assert {k: len(v) for k, v in looks.grouped(records, "epsilon").items()} == {0.1: 2, 0.0: 1}
    assert list(looks.grouped(records, "attack")) == ["bim"]
    assert list(looks.grouped(records, "model")) == [ensemble(k) for k in (3, 1, 2)]
