"""Captions, alt texts and sentences say what the records hold, and no more."""

import pytest
from made_up_run import ENSEMBLE, ensemble, scored

from helpers import figures
from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.record import Record
from helpers.figures import words

BIM = {"epsilon": 0.1, "alpha": 0.025, "steps": 5}


def line(attack, shares, **about):
    return [scored(attack, k, ensemble(n), **about) for n, k in shares.items()]


def test_a_caption_adds_the_facts_to_the_sentence():
    about = {
        "a": [scored("none", 190), scored("bim", 20, **BIM)],
        "b": [scored("lbfgs", 2, n=20), scored("pgd", 20, **BIM | {"steps": 10})],
    }
    assert words.caption("What it shows", about, "digits (stands in for MNIST)") == (
        "What it shows. Data: digits (stands in for MNIST); 200 test images, 20 for L-BFGS; ε = 0.1."
    )


def test_a_label_with_a_comma_is_one_name_in_a_list():
    about = [scored("none", 9), scored("lbfgs", 2, n=20), scored("untargeted_lbfgs", 2, n=20)]
    about += [scored("fgsm", 9)]
    assert "20 for L-BFGS and untargeted L-BFGS." in words.caption("Sentence.", about, "digits")


@pytest.mark.parametrize(
    ("about", "absent"),
    [
        ([scored("bim", 9, epsilon=e) for e in (0.1, 0.2)], "ε"),
        ([Record("01", "digits", "size", values={"n": 3})], "test images"),
        ([], "test images"),
    ],
)
def test_a_caption_says_only_what_is_one_and_the_same(about, absent):
    assert absent not in words.caption("Sentence.", about, "digits")


def test_a_caption_without_facts_is_its_sentence():
    assert words.caption(" Sentence. ") == "Sentence."
    with pytest.raises(ValueError, match="needs a sentence"):
        words.caption(" ", [scored("bim", 1)])


def test_lines_are_told_by_their_ends_and_extremes():
    about = {"fgsm": line("fgsm", {3: 60, 1: 100, 2: 20}), "none": line("none", {1: 180, 3: 200})}
    assert words.said(about) == [
        "no attack: 90.0 % with 1 member, 100.0 % with 3 members.",
        "FGSM: 50.0 % with 1 member, 10.0 % with 2 members, 30.0 % with 3 members.",
    ]


def test_lines_of_several_groups_keep_their_names():
    about = {
        name: {"bim": [scored("bim", k, epsilon=e) for e, k in ((0.0, 200), (0.5, n))]}
        for name, n in (("left", 2), ("right", 4))
    }
    assert words.said(about) == [
        "BIM, left: 100.0 % at ε = 0, 1.0 % at ε = 0.5.",
        "BIM, right: 100.0 % at ε = 0, 2.0 % at ε = 0.5.",
    ]


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ([scored("bim", 20), scored("bim", 40, ENSEMBLE)],
         "BIM: from 10.0 % (original model) to 20.0 % (ensemble of 3)."),
        ({"a": [scored("bim", 20)], "b": [scored("bim", 10)], "c": [scored("bim", 15)]},
         "BIM: from 5.0 % (b) to 10.0 % (a)."),
        ({ORIGINAL: [scored("bim", 20)]}, "BIM: 10.0 %."),
        ([scored("bim", 20), scored("bim", 20, ENSEMBLE)], "BIM: 10.0 % in all cases."),
    ],
)  # fmt: skip
def test_groups_are_told_by_their_range(about, sentence):
    assert words.said(about) == [sentence]


def test_an_alt_text_names_the_axes_and_what_came_out():
    series = {"fgsm": line("fgsm", {1: 100, 3: 60})}
    figure = figures.curves(series, x="n_members", xlabel="members")
    assert words.alt_text(figure, series) == (
        "Accuracy (%) against members. FGSM: 50.0 % with 1 member, 30.0 % with 3 members."
    )
    assert words.alt_text(figure, [Record("01", "digits", "size")]) == ""


def test_gains_are_told_for_shared_attacks():
    told = words.gains([scored("bim", 50), scored("pgd", 9)], [scored("bim", 20)])
    assert [text.split(" [")[0] for text in told] == ["BIM: +15.0"]


def test_a_training_is_told_in_a_line():
    history = {"loss": [3, 2, 1], "best_epoch": [2], "seconds": [9.7]}
    told = words.took(ORIGINAL, history)
    assert told == "original model: 3 epochs, best 2, 10 s of processor time."
