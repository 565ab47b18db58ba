"""Parts of the page: rounding, glossary, merging, cards, drawings, the first screen."""

import numpy as np
import pytest
from bs4 import BeautifulSoup
from made_up_run import ORIGINAL, accuracy, bagging, retraining

from helpers.evaluation.record import Record
from helpers.findings.claims import judge_all, read_claims
from helpers.findings.verdicts import ABSENT, UNDECIDED, Estimate, Part, Reading, Verdict
from helpers.profiles import Run
from helpers.report import drawings, glossary
from helpers.report.cards import Card
from helpers.report.chapters import Chapter
from helpers.report.front import pictures
from helpers.report.merge import merge
from helpers.rounding import percent, rounded

BIM = accuracy("05_retraining", "mnist", ORIGINAL, "bim", 0.4, made_on=ORIGINAL, epsilon=0.1)
SCREEN = 75  # characters of a line of a card


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (60.15, 1, "60.2"),
        (91.35, 1, "91.4"),
        (100 * 0.6015, 1, "60.2"),
        (-0.25, 1, "−0.3"),
        (-0.04, 1, "0.0"),
        (1234.5, 0, "1,235"),
    ],
)
def test_halves_go_up(value, decimals, text):
    assert rounded(value, decimals) == text


def test_shares_are_written_in_percent():
    assert percent(0.9135) == "91.4 %"
    assert rounded(0.05, sign=True) == "+0.1"


def test_terms_are_linked_where_they_first_stand():
    terms = [{"term": "BIM", "text": "B."}, {"term": "norm", "also": ["norms"], "text": "N."}]
    html = '<div class="prose"><p>BIM and <code>norm</code>; norms, BIM.</p></div>'
    soup = BeautifulSoup(html, "html.parser")
    assert glossary.link_terms([soup], terms) == {"BIM", "norm"}
    assert [(a.get_text(), a["href"]) for a in soup.select("a")] == [
        ("BIM", "#term-bim"),
        ("norms", "#term-norm"),
    ]


def test_the_glossarys_terms_have_different_ids():
    terms = [entry["term"] for entry in glossary.read_glossary()]
    assert len({glossary.identity(term) for term in terms}) == len(terms) > 0


def run_of(dataset, outputs):
    cells = ['<div data-cell="text"><div class="prose"><h1>Models</h1><p>Words.</p></div></div>']
    cells += [
        f'<div data-cell="code"><details class="code"><div>c</div></details>'
        f'<div class="output_area">{output}</div></div>'
        for output in outputs
    ]
    cells += ['<div data-cell="text"><div class="prose"><h2>Empty</h2></div></div>']
    return Chapter(Run("02_models", dataset, {}), BeautifulSoup("".join(cells), "html.parser"))


def test_runs_are_merged_cell_by_cell():
    figures = [f'<figure id="figure-1-{name}"></figure>' for name in ("a", "b")]
    parts = [
        run_of("a", ["<pre>same</pre>", figures[0]]),
        run_of("b", ["<pre>same</pre>", figures[1]]),
    ]
    (chapter,) = merge(parts)
    soup = chapter.soup
    assert soup.get_text().count("Words.") == 1
    assert len(soup.select("details.code")) == 1
    assert [panel["data-set"] for panel in soup.select(".tabs .panel")] == ["a", "b"]
    assert "Empty" not in soup.get_text()


def test_what_is_short_or_the_same_stands_without_tabs():
    (short,) = merge([run_of("a", ["<pre>1</pre>"]), run_of("b", ["<pre>2</pre>"])])
    assert [box["data-set"] for box in short.soup.select(".said")] == ["a", "b"]
    (same,) = merge([run_of("a", ["<pre>1</pre>"]), run_of("b", ["<pre>1</pre>"])])
    assert len(same.soup.select("pre")) == 1
    assert not same.soup.select(".tabs")


def test_a_card_says_why_and_is_not_long():
    for card in map(Card, judge_all([*bagging(ensemble=0.6, itself=0.3), *retraining(), BIM])):
        assert card.why.endswith(".")
        lines = [card.claim.short, card.why, f"{card.claim.quote} {card.claim.where}"]
        assert sum(-(-len(text) // SCREEN) for text in lines) < 10, card.claim.name
        assert bool(card.decided_by) == (card.verdict.verdict in (UNDECIDED, ABSENT))
        assert len({row[:2] for row in card.rows}) == len(card.rows), card.claim.name


@pytest.mark.parametrize(("adjusted", "about"), [(0.4, "About 3"), (1.0, "At least 3")])
def test_how_much_would_decide_a_claim_allows_for_the_correction(adjusted, about):
    found = Estimate("FGSM", 4.0, -0.5, 8.5, inside=0.1, adjusted=adjusted)
    verdict = Verdict(read_claims()[0], (Part("mnist", (Reading("it", (found,)),)),))
    assert Card(verdict).decided_by.startswith(f"{about} times as many test images")


def test_intervals_name_every_estimate_and_its_range():
    long = "a label that is longer than one line"
    rows = [(name, Estimate(name, 4.0, 2.0, 6.0, -3.0, 3.0)) for name in ("FGSM", long)]
    drawn = str(drawings.intervals(rows))
    assert "FGSM: +4.0 [+2.0, +6.0]" in drawn
    assert ">−3<" in drawn
    assert ">a label that is longer<" in drawn
    assert ">than one line<" in drawn
    assert rows[0][1].range == "−3 to 3"
    assert rows[0][1].verdict == UNDECIDED


def test_the_three_pictures_come_from_a_record():
    said = {"label": "7", "before": "7", "after": "4", "confidence_before": 0.97}
    x = np.full((4, 4, 1), 0.5, np.float32)
    record = Record(
        "03_attacks", "mnist", "example", ORIGINAL, "bim", ORIGINAL, {"epsilon": 0.1}, 0,
        said | {"confidence_after": 0.995}, {"x": x, "x_adv": x + np.float32(0.1)},
    )  # fmt: skip
    image, change, result = pictures([record])
    assert image["says"] == "7 (97 %)"
    assert change["name"] == "Change × 4"
    assert result["says"] == "4 (100 %)"
    assert all(picture["source"].startswith("data:image/png") for picture in (image, result))
    assert pictures([]) == []
