"""Names in the text that become links."""

import json
import re

import pytest
from bs4 import BeautifulSoup

from helpers.paths import NOTEBOOKS
from helpers.report import citations, links

IDS = [
    "03",
    "figure-7-digits",
    "figure-8-digits",
    "table-03-sizes-shapes",
    "table-03-sizes-digits",
    "claim-C4",
]
NUMBERS = {"table-03.4": ["table-03-sizes-shapes", "table-03-sizes-digits"]}
KNOWN = {"Szegedy et al. 2014": {"text": "S."}, "Agresti & Min 2005": {"text": "A."}}


def linked(html, dataset="digits"):
    soup = BeautifulSoup(html, "html.parser")

    def find(target):
        return links.find_number(target, dataset, IDS, NUMBERS)

    cited = citations.link_names(soup, find, IDS, KNOWN)
    return soup, {a.get_text(): a["href"] for a in soup.select("a")}, cited


def test_figures_and_tables_link_to_those_of_the_same_data_set():
    text = "<p>See Figure 7 and Table 03.4, or Figures 7, 8 and 9.</p>"
    soup, found, _ = linked(f'<div class="prose">{text}</div>')
    assert found["Figure 7"] == "#figure-7-digits"
    assert found["Table 03.4"] == "#table-03-sizes-digits"
    assert found["Figures 7"] == "#figure-7-digits"
    assert found["8"] == "#figure-8-digits"
    assert "9" not in found  # there is none on this page
    assert soup.get_text() == BeautifulSoup(text, "html.parser").get_text()


def test_claims_and_works_link_to_their_entries():
    text = "<p>C4 (Szegedy et\nal. 2014; Agresti &amp; Min 2005; Nobody 1999); C5.</p>"
    _, found, cited = linked(f'<div class="prose">{text}</div>')
    assert found == {
        "C4": "#claim-C4",
        "Szegedy et\nal. 2014": "#ref-szegedy-2014",
        "Agresti & Min 2005": "#ref-agresti-min-2005",
    }
    assert cited == set(KNOWN)


def test_code_links_headings_and_a_captions_own_number_stay_as_they_are():
    html = (
        '<div class="prose"><h3>Figure 7</h3><p><code>Figure 7</code> '
        '<a href="#x">Figure 8</a></p></div>'
        '<figure id="figure-7-digits"><figcaption><b>Figure 7 (digits).</b> As Figure 8.</figcaption>'
        "</figure>"
    )
    soup, _, _ = linked(html)
    assert soup.h3.a is None
    assert soup.code.a is None
    assert soup.b.a is None
    assert soup.figcaption.a["href"] == "#figure-8-digits"


def test_entries_have_different_ids_and_texts():
    known = citations.read_references()
    assert len({citations.identity(name) for name in known}) == len(known)
    for name, entry in known.items():
        assert re.fullmatch(citations.CITED, name), name
        assert entry["text"].endswith(".")
        assert set(entry) <= {"text", "url"}
        assert entry.get("url", "https://").startswith("https://")


def test_everything_that_the_notebooks_cite_is_listed():
    known = citations.read_references()
    for path in NOTEBOOKS.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            text = " ".join("".join(cell["source"]).split())
            if cell["cell_type"] == "markdown":
                for found in re.findall(r"([A-Z]\w+ et al\.|[A-Z]\w+ & [A-Z]\w+) (\d{4})", text):
                    assert " ".join(found) in known, (path.name, found)
                for found in re.findall(r"\(([A-Z]\w+ (?:19|20)\d\d)\)", text):
                    assert found in known, (path.name, found)


HEADINGS = """<h2 id="04_ensembles" data-original="Ensembles">4. Ensembles</h2>
<h3 id="04_ensembles-Bagging">Bagging</h3>"""
FIGURES = """
<figure id="figure-04-ladder-{0}"><figcaption><b>Figure 04.3 ({0}).</b> A ladder.</figcaption></figure>
<figure id="table-04-gains-more-{0}"><figcaption><b>Table 04.4 ({0}).</b> Gains.</figcaption></figure>
<figure id="figure-7-{0}"><figcaption><b>Figure 7 ({0}).</b> Members.</figcaption></figure>"""


@pytest.mark.parametrize(
    ("dataset", "href", "expected"),
    [
        ("shapes", "04_ensembles.ipynb", "#04_ensembles"),
        (None, "04_ensembles.ipynb#Bagging", "#04_ensembles-Bagging"),
        (None, "04_ensembles#ladder", "#figure-04-ladder-digits"),
        ("shapes", "04_ensembles#ladder", "#figure-04-ladder-shapes"),
        ("shapes", "04_ensembles#figure-7", "#figure-7-shapes"),
        ("shapes", "04_ensembles#7", "#figure-7-shapes"),
        ("digits", "04_ensembles#gains-more", "#table-04-gains-more-digits"),
        ("digits", "04_ensembles#gains", "04_ensembles#gains"),
        ("shapes", "#figure-04-ladder", "#figure-04-ladder-shapes"),
        ("shapes", "05_other#ladder", "05_other#ladder"),
    ],
)
def test_places_lead_to_the_same_data_set_or_the_first(dataset, href, expected):
    text = HEADINGS + "".join(map(FIGURES.format, ("digits", "shapes")))
    first = BeautifulSoup(text, "html.parser")
    panel = f' data-set="{dataset}"' if dataset else ""
    last = BeautifulSoup(f'<div{panel}><a href="{href}">there</a></div>', "html.parser")
    links.resolve([("04_ensembles", None, first), ("09_findings", None, last)], partial=False)
    assert last.a["href"] == expected
    assert links.item_numbers([first, last]) == {
        "figure-04.3": ["figure-04-ladder-digits", "figure-04-ladder-shapes"],
        "table-04.4": ["table-04-gains-more-digits", "table-04-gains-more-shapes"],
    }
