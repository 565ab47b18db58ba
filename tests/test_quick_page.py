"""The words of the quick page as readers get it: nothing twice, nothing empty, nothing endless."""

import json
from collections import Counter

import pytest
from bs4 import BeautifulSoup, Tag

from helpers.report import glossary

pytestmark = pytest.mark.slow

SCREEN = 75  # characters of a line of a card
LINES = 9  # of a card whose numbers are folded, without its drawing
# Of the page after its contents: tables, captions, cards and what is folded, but no code. A page that
# grows beyond it says something twice, or something that few readers need.
MOST_WORDS = 15_800
HEADINGS = ("h2", "h3", "h4")
SHOWN = ("p", "li", "pre", "figure", "table", "math", "dl", "svg")


@pytest.fixture
def page(quick_build):
    html = (quick_build[0] / "report.html").read_text(encoding="utf-8")
    soup = BeautifulSoup(html, "html.parser")
    for hidden in soup.select("script, style, details.code"):
        hidden.decompose()
    return soup


def words(tag):
    return " ".join(tag.get_text(" ").split())


def test_no_cell_ends_with_a_value_that_nobody_asked_for(quick_build):
    for path in (quick_build[0] / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            shown = [output["output_type"] for output in cell.get("outputs", ())]
            assert "execute_result" not in shown, (path.name, "".join(cell["source"]))


def test_no_paragraph_stands_twice(page):
    for answer in page.select(".card details, .card .why"):  # several claims may lack the same
        answer.decompose()
    found = Counter(words(tag) for tag in page.select("p, blockquote, .prose li, dd"))
    assert not {text for text, n in found.items() if n > 1 and len(text.split()) > 5}


def test_no_long_sentence_of_the_prose_stands_twice(page):
    for formula in page.select("math"):
        formula.replace_with("…")
    text = [words(tag) for tag in page.select(".prose p, .prose li")]
    found = Counter(s.strip() for paragraph in text for s in paragraph.split(". "))
    assert not {sentence for sentence, n in found.items() if n > 1 and len(sentence.split()) > 9}


def test_no_section_is_empty(page):
    for heading in page.select("main h2, main h3, main h4"):
        for after in heading.next_elements:
            if not isinstance(after, Tag):
                continue
            ended = after.name in HEADINGS and after.name <= heading.name
            assert not ended, f"nothing below {words(heading)}"
            if after.name in SHOWN:
                break
        else:
            pytest.fail(f"nothing below {words(heading)}")


def test_every_term_of_the_glossary_is_linked(page):
    linked = {link["href"] for link in page.select("a.term")}
    terms = {f"#{glossary.identity(entry['term'])}" for entry in glossary.read_glossary()}
    assert not terms - linked
    assert all(page.select_one(term) for term in terms)


def test_no_card_is_long(page):
    cards = page.select(".card")
    assert len(cards) == 19
    for card in cards:
        parts = [words(part) for part in card.select(".head, blockquote, .why")]
        assert len(parts) == 3
        assert sum(-(-len(part) // SCREEN) for part in parts) <= LINES, card["id"]


def test_the_page_is_not_long(page):
    for code in page.select("main pre"):
        code.decompose()
    assert len(words(page.main).split()) <= MOST_WORDS
