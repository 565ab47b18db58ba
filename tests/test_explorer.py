"""What the explorer is given: every image, attack and answer of what a chapter has scored."""

import json

import numpy as np
import pytest
from bs4 import BeautifulSoup

from helpers.evaluation.records import Records
from helpers.experiment.scores import Scores
from helpers.figures.explorer import (
    EXPLORED,
    as_script,
    chosen,
    explored,
    gallery_of,
    packed,
    unpacked,
)
from helpers.report import explorer
from helpers.report.check import check_page

GRID = (0.0, 0.1, 0.2)


@pytest.fixture(scope="module")
def scored(small, tmp_path_factory):
    """A chapter's scores of the original model and of an ensemble, as chapters 03 and 04 make them."""
    scores = Scores(
        small, Records(tmp_path_factory.mktemp("explorer"), "03_attacks", "bars", {"seed": 0})
    )
    original, ensemble = small.original(), small.ensemble(small.members())
    for subject in (original, ensemble):
        scores.score(subject, small.clean())
        for attack in EXPLORED:
            scores.score(subject, small.attacked(attack, subject))
    for attack in ("fgsm", "bim"):
        scores.sweep(original, attack, GRID)
        scores.sweep(ensemble, attack, GRID, original)
    return small, scores.records.all, original, ensemble


@pytest.fixture(scope="module")
def blocks(scored):
    made, records, original, ensemble = scored
    return [explored(made, records, subject) for subject in (original, ensemble)]


def test_images_are_one_of_each_class_in_turn_attacked_ones_first():
    y = np.array([2, 2, 0, 1, 0, 1, 2])
    assert chosen(y, np.array([1, 4]), (28, 28, 1)).tolist() == [2, 4, 3, 5, 0, 1, 6]
    many = np.arange(400) % 10
    assert [len(chosen(many, many[:0], (s, s, c))) for s, c in ((28, 1), (32, 3), (64, 3))] == [
        12, 12, 4,
    ]  # fmt: skip
    assert len(chosen(many, many[:0], (299, 299, 3))) == 0
    few = chosen(many, np.arange(100, 120), (64, 64, 3))
    assert few.tolist() == [100, 101, 102, 103]


def test_pixels_survive_their_packing():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    assert (unpacked(packed(pixels), pixels.shape) == pixels).all()


def test_every_series_has_every_stop_image_and_class(blocks):
    for data in blocks:
        n = len(data["images"])
        assert unpacked(data["clean"], (n, *data["shape"])).shape == (n, 12, 12, 1)
        for series in data["attacked"]:
            shape = (len(series["stops"]), len(series["rows"]), *data["shape"])
            assert unpacked(series["changes"], shape).shape == shape
        for series in data["answers"]:
            shares = np.array(series["shares"])
            assert shares.shape == (len(series["stops"]), len(series["rows"]), 3)
            assert (np.abs(shares.sum(-1) - 1000) <= 2).all()
            assert shares.min() >= 0
            assert len(series["accuracy"]) == len(series["stops"])
            for right, of, low, high in series["accuracy"]:
                assert low <= right / of <= high


def test_each_model_has_the_stops_that_it_was_scored_at(blocks):
    stops = [{(s["attack"], s["made_on"]): s["stops"] for s in data["answers"]} for data in blocks]
    swept, single = list(GRID), [0.0, 0.2]
    one, two = "original model", "ensemble of 2"
    assert stops[0] == {("fgsm", one): swept, ("bim", one): swept, ("lbfgs", one): [None]}
    assert stops[1] == {
        ("fgsm", one): swept, ("fgsm", two): single, ("bim", one): swept, ("bim", two): single,
        ("lbfgs", two): [None],
    }  # fmt: skip


def test_images_are_those_of_the_experiment_and_rows_say_which_were_attacked(scored, blocks):
    made, _, original, _ = scored
    data = blocks[0]
    index = [image["index"] for image in data["images"]]
    clean = unpacked(data["clean"], (len(index), 12, 12, 1))
    assert [image["y"] for image in data["images"]] == made.data.y_test[index].tolist()
    bim, lbfgs = data["attacked"][1:]
    images = made.attacked("bim", original, epsilon=0.1).x_adv[index]
    shown = clean + unpacked(bim["changes"], (3, len(index), 12, 12, 1))[1]
    assert np.abs(shown / 255 - images).max() <= 0.5 / 255 + 1e-6
    assert bim["rows"] == list(range(len(index)))
    assert len(lbfgs["rows"]) == made.p.lbfgs_n_test < len(index)
    answers = made.logits(original, made.attacked("bim", original, epsilon=0.1))[index].argmax(-1)
    assert (np.argmax(data["answers"][1]["shares"][1], axis=-1) == answers).all()


def test_the_gallery_shows_each_attack_that_was_made_on_an_image(blocks):
    gallery = BeautifulSoup(gallery_of(blocks[0]), "html.parser")
    lbfgs = len(blocks[0]["attacked"][2]["rows"])
    assert len(gallery.select("td img[alt]")) == 3 * len(blocks[0]["images"]) + lbfgs


def test_nothing_in_the_data_ends_their_block():
    script = BeautifulSoup(as_script({"label": "</script><b>"}), "html.parser")
    assert script.b is None
    assert json.loads(script.script.get_text()) == {"label": "</script><b>"}


def figure(data):
    return f'<p>Text.</p><figure class="explored"><table></table>{as_script(data)}</figure>'


def test_the_page_keeps_each_image_once_and_a_link_in_its_place(blocks):
    soups = [BeautifulSoup(figure(data), "html.parser") for data in blocks]
    found = explorer.collect(soups)
    (data,) = json.loads(found.data)
    assert len(found.galleries) == 1
    assert list(data["seen"]) == ["original model", "ensemble of 2"]
    assert len(data["answers"]) == len(blocks[0]["answers"]) + len(blocks[1]["answers"])
    places = [(s["attack"], s["made_on"]) for s in data["attacked"]]
    assert len(places) == len(set(places)) == 6
    for soup in soups:
        assert soup.a["href"] == "#explore"
        assert soup.figure is None


def test_other_images_of_the_same_data_stand_apart(blocks):
    other = blocks[1] | {"images": blocks[1]["images"][:-1]}
    soup = BeautifulSoup(figure(blocks[0]) + figure(other), "html.parser")
    found = json.loads(explorer.collect([soup]).data)
    assert [data["label"] for data in found] == [
        blocks[0]["label"],
        f"{blocks[0]['label']}, other images",
    ]


def test_a_page_without_such_images_has_no_explorer():
    assert explorer.collect([BeautifulSoup("<p>Text.</p>", "html.parser")]) is None


def test_too_much_for_the_page_is_found():
    page = (
        '<section class="explore"><script type="application/json" id="explorer-all">{}</script>{}'
    )
    assert not [p for p in check_page(page.format("[]", "")) if "explorer" in p]
    (problem,) = [p for p in check_page(page.format("[]", "x" * 2_100_000)) if "explorer" in p]
    assert "2.1 MB" in problem
