"""A chapter refuses bad parameters, numbers what it shows, and leaves records and pieces behind."""

import csv
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure

from helpers import chapter as chapters
from helpers import figures
from helpers.chapter import Chapter
from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.records import read_records
from helpers.evaluation.sanity import Check
from helpers.figures import show
from helpers.parameters import ParameterError
from helpers.profiles import notebook_defaults


@pytest.fixture
def shown(monkeypatch):
    """What was displayed."""
    pieces = []
    monkeypatch.setattr(
        show,
        "display",
        lambda piece: pieces.append(BeautifulSoup(piece.data, "html.parser").figure),
    )
    yield pieces
    show.save_to(None)


def namespace(name, folder, **changes):
    places = {"output_dir": str(folder), "store_dir": str(folder / "store")}
    return notebook_defaults(name) | places | changes


class Data(SimpleNamespace):
    name, role, label, status = "digits", "mnist", "digits (stands in for MNIST)", "generated"
    digest, n_classes = "0" * 64, 10
    y_train, y_test = np.zeros(3), np.zeros(2)


@pytest.fixture
def chapter(tmp_path, shown):
    """A chapter on attacks whose experiment is a stand-in: nothing is loaded or trained."""
    made = Chapter("03_attacks", namespace("03_attacks", tmp_path))
    card = {"made": True, "seconds": 2.5, "cpu": "a", "threads": 2, "revision": None, "info": {}}
    loaded = card | {"made": False}
    store = SimpleNamespace(used={"digits-original-0.keras": card, "digits-bim-1.npz": loaded})
    made.experiment = SimpleNamespace(data=Data(), own=None, store=store, signs=lambda: {})
    return made


def score(chapter, attack="bim", n_correct=1):
    correct = np.arange(4) < n_correct
    about = {"epsilon": 0.1, "alpha": 0.1, "steps": 5}
    return chapter.records.accuracy(
        correct, model=ORIGINAL, attack=attack, made_on=ORIGINAL, parameters=about
    )


def test_parameters_that_do_not_fit_stop_the_chapter(tmp_path):
    with pytest.raises(ParameterError, match="epsilom"):
        Chapter("03_attacks", namespace("03_attacks", tmp_path, epsilom=0.1))


def test_records_begin_with_the_data(chapter):
    (record,) = chapter.records.all
    assert (record.quantity, record.dataset) == ("data", "digits")
    assert chapter.records.table.parent == chapter.p.output_path / "records"


def test_a_readers_own_model_is_recorded_and_named(chapter, capsys):
    chapter.experiment.own = SimpleNamespace(values={"file": "mine.keras"}, note="mine.keras: good")
    assert [r.quantity for r in chapter.records.all] == ["data", "own_model"]
    assert "mine.keras: good" in capsys.readouterr().out


def test_a_chapter_about_several_data_sets_has_no_experiment(tmp_path, shown):
    several = Chapter("01_data", namespace("01_data", tmp_path))
    assert several.records.dataset is None
    with pytest.raises(ValueError, match="no data set of its own"):
        several.experiment  # noqa: B018
    several.records.data_set(Data())
    frame = pd.DataFrame({"a": [1]})
    several.table(frame, "1", "Classes.", dataset="digits")
    several.table(frame, "sizes", "Sizes.")
    assert [figure["id"] for figure in shown] == ["table-1-digits", "table-01-sizes"]
    assert "stands in for MNIST" in shown[0].figcaption.text
    assert shown[1].figcaption.text == "Table 01.2. Sizes."


def test_numbers_count_all_and_stay_when_a_cell_is_run_again(chapter, shown):
    frame = pd.DataFrame({"a": [1]})
    for key in ("sizes", "4", "norms", "sizes"):
        chapter.table(frame, key, "A table.")
    chapter.figure(Figure(), "sizes", "A figure.", alt="Nothing.")
    assert [figure["id"] for figure in shown] == [
        "table-03-sizes-digits", "table-4-digits", "table-03-norms-digits", "table-03-sizes-digits",
        "figure-03-sizes-digits",
    ]  # fmt: skip
    assert [figure.b.text.split()[1] for figure in shown] == ["03.1", "4", "03.3", "03.1", "03.4"]


def test_what_is_empty_keeps_its_number_and_is_not_shown(chapter, shown):
    chapter.figure(None, "curves", "A figure.")
    chapter.table(pd.DataFrame({"a": []}), "curves", "A table.")
    chapter.table(pd.DataFrame({"a": [1]}), "sizes", "A table.")
    assert [figure.b.text for figure in shown] == ["Table 03.3 (digits)."]


def test_a_figure_gets_facts_and_alt_text_from_its_records(chapter, shown):
    groups = {"original model": [score(chapter)]}
    chapter.figure(figures.grouped_bars(groups), "bars", "Accuracy.", about=groups)
    assert shown[0].img["alt"] == "Accuracy (%). BIM: 25.0 %."
    assert shown[0].figcaption.text.endswith("Accuracy. 4 test images; ε = 0.1.")
    chapter.table(pd.DataFrame({"a": [1]}), "4", "Of the report.")
    facts = "Of the report. Data: digits (stands in for MNIST); networks of width 0.5."
    assert shown[1].figcaption.text.endswith(facts)
    assert (chapter.p.output_path / "figures" / "figure-03-bars-digits.svg").is_file()
    with pytest.raises(ValueError, match="alt text"):
        chapter.figure(Figure(), "blank", "Nothing.")


@pytest.mark.parametrize("key", ["03.1", "Ladder", "", "a b", 7])
def test_a_key_is_a_number_of_the_report_or_a_word(chapter, key):
    with pytest.raises(ValueError, match="expected the report's own number"):
        chapter.table(pd.DataFrame({"a": [1]}), key, "A table.")


def test_the_key_follows_the_role_of_the_data(chapter):
    assert chapter.number(mnist="4", cifar10="5", other="tables") == "4"
    assert chapter.number(cifar10="5", other="tables") == "tables"


def test_done_checks_writes_and_leaves_the_pieces_beside_the_records(chapter, shown, capsys):
    score(chapter)
    score(chapter, attack="fgsm", n_correct=2)
    chapter.done()
    said = capsys.readouterr().out
    assert not shown
    assert said.startswith("Signs of a broken evaluation: none (1 compared).\n")
    assert said.count("\n") == 2
    assert chapter.records.table.name in said
    found = read_records(chapter.p.output_path)
    assert {"data", "accuracy", "sanity"} == {record.quantity for record in found}
    with chapter.records.table.with_suffix(".pieces.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["name", *chapters.OF_A_PIECE]
    assert [(row["name"], row["made"], row["seconds"]) for row in rows] == [
        ("digits-original-0.keras", "made", "2.5"),
        ("digits-bim-1.npz", "loaded", "2.5"),
    ]
    assert len(chapter.found) == len(found)


def test_done_shows_the_checks_that_found_something(chapter, shown):
    checks = [Check("zero gradients", 3, ("member 1",)), Check("noise", 2)]
    chapter.scores = SimpleNamespace(check=lambda: checks)
    score(chapter)
    chapter.done()
    (table,) = shown
    assert (table["id"], len(table.find_all("tr"))) == ("table-03-sanity-digits", 2)
    assert "(1 in 5 cases)" in table.figcaption.text


def test_done_shows_no_checks_where_nothing_was_attacked(chapter, shown):
    score(chapter, "none")
    chapter.done()
    assert shown == []
