"""What show_figure and show_table put on the page and into files."""

from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from markupsafe import Markup
from matplotlib.figure import Figure

from helpers.figures import show


@pytest.fixture
def shown(monkeypatch):
    """The HTML of what was displayed."""
    pieces = []
    monkeypatch.setattr(show, "display", lambda piece: pieces.append(piece.data))
    yield pieces
    show.save_to(None)


def plot(slope=1.0):
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([0, 1], [0, slope], label="line")
    axes.fill_between([0, 1], [0, 0], [1, 1], alpha=0.2)
    axes.legend()
    return figure


def soup(pieces):
    assert len(pieces) == 1
    return BeautifulSoup(pieces[0], "html.parser")


def test_figure_has_id_number_caption_and_alt(shown):
    show.show_figure(
        plot(), "7", dataset="tiny_shapes", caption="Accuracy, <i>n</i> = 3", alt='a "line" < 1'
    )
    page = soup(shown)
    figure = page.find("figure")
    assert figure["id"] == "figure-7-tiny_shapes"
    assert figure["class"] == ["figure"]
    assert figure.find("img")["alt"] == 'a "line" < 1'
    assert figure.find("figcaption").b.text == "Figure 7 (tiny_shapes)."
    assert figure.find("figcaption").i.text == "n"


@pytest.mark.parametrize(
    ("about", "identity"),
    [
        ({"number": "7"}, "figure-7"),
        ({"number": "03.1"}, "figure-03-1"),
        ({"number": "03.1", "dataset": "digits"}, "figure-03-1-digits"),
        ({"number": "03.1", "name": "03-sizes", "dataset": "digits"}, "figure-03-sizes-digits"),
    ],
)
def test_identity(shown, about, identity):
    show.show_figure(plot(), **about, caption="c", alt="a")
    assert soup(shown).figure["id"] == identity


def test_caption_is_escaped_but_for_the_safe_tags(shown):
    caption = "<script>x</script> L<sub>2</sub> & 1 < 2 <b>bold</b> <b onclick='x'>"
    show.show_figure(plot(), "1", caption=caption, alt="a")
    assert "<script" not in shown[0]
    assert "onclick='x'>" not in shown[0]
    text = soup(shown).figcaption
    assert text.sub.text == "2"
    assert text.find_all("b")[1].text == "bold"
    assert "<script>x</script>" in text.text
    assert "1 < 2" in text.text


@pytest.mark.parametrize("caption", ["<b>open", "closed</i>", "<b><i>crossed</b></i>"])
def test_unbalanced_tags_are_refused(caption):
    with pytest.raises(ValueError, match=r"closes <|never closes <"):
        show.show_figure(plot(), "1", caption=caption, alt="a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alt": " "}, "alt text"),
        ({"caption": ""}, "needs a caption"),
        ({"number": "seven"}, "expected text such as '7'"),
        ({"number": 7}, "expected text such as '7'"),
        ({"name": "sizes"}, "expected chapter and word"),
        ({"dataset": 'a" b'}, "expected a name"),
        ({"kind": "gif"}, "there are svg, png"),
    ],
)
def test_bad_figures_are_refused(shown, change, message):
    wanted = {"number": "7", "caption": "c", "alt": "a"} | change
    with pytest.raises(ValueError, match=message):
        show.show_figure(plot(), **wanted)
    assert shown == []


@pytest.mark.parametrize(("kind", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_pictures_are_the_same_every_time(kind, start):
    first, second = show.render(plot(), kind), show.render(plot(), kind)
    assert first == second
    assert first.startswith(start)
    assert first != show.render(plot(0.5), kind)
    assert b"<dc:date>" not in first


def test_figure_is_white_and_self_contained(shown):
    show.show_figure(plot(), "1", caption="c", alt="a")
    source = soup(shown).img["src"]
    assert source.startswith("data:image/svg+xml,")
    assert " " not in source
    svg = unquote(source.partition(",")[2])
    assert "fill:#ffffff" in svg
    assert "<text" not in svg  # letters are paths: no font is needed


def test_files_are_written_where_a_folder_is_set(shown, tmp_path):
    show.save_to(tmp_path)
    show.show_figure(plot(), "7", dataset="digits", caption="c", alt="a")
    show.show_figure(plot(), "01.2", caption="c", alt="a", kind="png")
    show.show_table(pd.DataFrame({"a": ["x"], "b": [0.123456]}), "4", caption="c")
    show.save_to(None)
    show.show_figure(plot(), "8", caption="c", alt="a")
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert files == {"figures/figure-7-digits.svg", "figures/figure-01-2.png", "tables/table-4.csv"}
    assert (tmp_path / "tables/table-4.csv").read_text() == "a,b\nx,0.123456\n"
    assert (tmp_path / "figures/figure-7-digits.svg").read_bytes() == show.render(plot(), "svg")


def test_table_cells(shown):
    frame = pd.DataFrame(
        {
            "model <x>": ["a & b", "c"],
            "weights": [1234567, 5],
            "accuracy": [98.0, np.nan],
            "interval": ["98.4 [97.1, 99.2]", None],
            "within": [True, False],
        }
    )
    show.show_table(frame, "4", dataset="digits", caption="c")
    page = soup(shown)
    assert page.figure["id"] == "table-4-digits"
    assert page.figure["class"] == ["table"]
    assert page.figcaption.b.text == "Table 4 (digits)."
    heads = page.thead.find_all("th")
    assert [head.text for head in heads] == list(frame.columns)
    assert all(head["scope"] == "col" for head in heads)
    first, second = page.tbody.find_all("tr")
    assert first.th["scope"] == "row"
    assert first.th.text == "a & b"
    cells = first.find_all("td")
    assert [cell.text for cell in cells] == ["1,234,567", "98", "98.4 [97.1, 99.2]", "yes"]
    assert [cell.get("class") for cell in cells] == [["num"]] * 3 + [None]
    missing = second.find_all("td")[1]
    assert missing.text == "–"
    assert missing.span["aria-label"] == "no value"


def test_a_column_of_words_and_numbers_is_one_of_words(shown):
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["64 filters", "0.5"], "c": ["–", "+1.5 [0, 3]"]})
    show.show_table(frame, "4", caption="c")
    kinds = [cell.get("class") for cell in soup(shown).find_all("td")]
    assert kinds == [None, ["num"]] * 2


def test_numbers_of_a_column_have_the_same_decimals(shown):
    show.show_table(pd.DataFrame({"a": ["x", "y"], "b": [98.36, 97.0]}), "4", caption="c")
    assert [cell.text for cell in soup(shown).find_all("td")] == ["98.36", "97.00"]


def test_formats_of_columns(shown):
    frame = pd.DataFrame({"a": ["row"], "b": [0.5], "c": [2.0]})
    formats = {"b": ".3f", "c": lambda value: f"<{value}>"}
    show.show_table(frame, "4", caption="c", formats=formats)
    page = soup(shown)
    assert page.tbody.th.text == "row"
    assert [cell.text for cell in page.find_all("td")] == ["0.500", "<2.0>"]


@pytest.mark.parametrize(
    ("frame", "change", "message"),
    [
        (pd.DataFrame(), {}, "table-4 is empty"),
        (pd.DataFrame({"a": []}), {}, "table-4 is empty"),
        (pd.DataFrame({"a": [1]}), {"formats": {"b": ".1f"}}, "no column 'b'.*'a'"),
        (pd.DataFrame({"a": [1]}), {"caption": " "}, "needs a caption"),
    ],
)
def test_bad_tables_are_refused(shown, frame, change, message):
    with pytest.raises(ValueError, match=message):
        show.show_table(frame, "4", **{"caption": "c"} | change)
    assert shown == []


def test_markup_is_shown_as_html_and_written_as_text(shown, tmp_path):
    frame = pd.DataFrame({"Name": ["<i>"], "Sign": [Markup('<a href="#x">yes &amp; no</a>')]})
    show.save_to(tmp_path)
    try:
        show.show_table(frame, "08.1", caption="Signs.")
    finally:
        show.save_to(None)
    html = shown[-1]
    assert "&lt;i&gt;" in html
    assert '<td><a href="#x">yes &amp; no</a></td>' in html
    assert (tmp_path / "tables" / "table-08-1.csv").read_text() == "Name,Sign\n<i>,yes & no\n"


def test_headlines_are_escaped_unless_they_are_markup(shown):
    show.show_headlines(["a < b", Markup("<b>c</b>")])
    assert shown[-1] == '<ul id="headlines"><li>a &lt; b</li><li><b>c</b></li></ul>'
    with pytest.raises(ValueError, match="at least one"):
        show.show_headlines([])
