"""The page in a browser, without a network: what it shows, how it is used, and on paper."""

from __future__ import annotations

import os
from urllib.parse import unquote

import pypdfium2
import pytest
from browser import start_browser, visit
from explorer_page import write_page
from playwright.sync_api import expect, sync_playwright
from test_command_line import program

SETTINGS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]

GOOD = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>T</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: light dark; }
body { color: #111111; background: #ffffff; }
@media (prefers-color-scheme: dark) { body { color: #eeeeee; background: #111111; } }
a { color: inherit }
</style></head><body><main><h1 id="top">T</h1>
<p>Costs <code>$5</code> and <math><mi>x</mi></math>; see <a href="#top">above</a>.</p>
<details><summary>More</summary><p>Folded.</p></details>
<div class="scroll" tabindex="0" style="overflow-x: auto"><p style="width: 2000px">A wide table.</p>
</div><img alt="A square."
src="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/%3E">
</main></body></html>"""


@pytest.fixture(scope="module")
def browser(built_once):  # built before Playwright's event loop runs in this thread
    with sync_playwright() as playwright:
        started = start_browser(playwright)
        if started is None:
            pytest.skip("needs chromium or google-chrome; on Debian: apt-get install chromium")
        expect.set_options(timeout=30_000)  # on a busy machine
        yield started
        started.close()


@pytest.fixture(scope="module", params=["small", pytest.param("quick", marks=pytest.mark.slow)])
def page(request, built_once):
    """The small project's page, and the one that everybody builds."""
    if request.param == "small":
        return built_once[0].output / "report.html"
    return request.getfixturevalue("quick_build")[0] / "report.html"


@pytest.fixture(scope="module")
def quick(quick_build):
    return quick_build[0] / "report.html"


# The checks themselves.


def test_a_program_that_is_no_browser_is_passed_over(tmp_path, monkeypatch):
    program(tmp_path / "chromium", "#!/bin/sh\necho 'install me' >&2\nexit 1\n")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("browser.NAMES", ("no-such-browser", "chromium"))
    with sync_playwright() as playwright:
        assert start_browser(playwright) is None


@pytest.mark.parametrize(("width", "scheme"), SETTINGS[::3])
def test_a_good_page_has_no_problems(browser, tmp_path, width, scheme):
    (tmp_path / "page.html").write_text(GOOD)
    with visit(browser, tmp_path / "page.html", width=width, scheme=scheme) as opened:
        assert opened.look() == opened.axe() == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("</body>", "<script>console.error('no')</script></body>", "console error: no"),
        ("</body>", "<script>console.log('hm')</script></body>", "console log: hm"),
        ("</body>", "<script>missing()</script></body>", "error in a script"),
        (
            "</body>",
            '<script src="https://x.org/m.js"></script></body>',
            "fetches https://x.org/m.js",
        ),
        (
            "</style>",
            "h1 { background: url(https://x.org/a.png) }</style>",
            "fetches https://x.org/a",
        ),
        ("<style>", "<style>@import 'print.css';", "fetches file:"),
        ("data:image/svg+xml,", "https://x.org/", "fetches https://x.org/"),
        ("data:image/svg+xml,", "data:image/png;base64,AAAA", "image that is not drawn"),
        ("Costs", "Costs $5,", "leftover $: Costs $5"),
        ("Folded.", r"Folded $\varepsilon$.", "leftover $"),
        ('href="#top"', 'href="#bottom"', "dangling link #bottom"),
        ("<math>", '<math style="position: absolute; width: 0">', "formula without a size"),
    ],
)
def test_each_problem_is_found(browser, tmp_path, old, new, words):
    assert old in GOOD
    (tmp_path / "page.html").write_text(GOOD.replace(old, new))
    with visit(browser, tmp_path / "page.html") as opened:
        problems = opened.look()
    assert any(words in problem for problem in problems), problems


def test_problems_of_one_setting_are_found(browser, tmp_path):
    wide = '<i style="display: block; width: 600px">Folded.</i>'
    page = GOOD.replace("color: #eeeeee", "color: #555555").replace("Folded.", wide)
    path = tmp_path / "page.html"
    path.write_text(page.replace('alt="A square."', ""))
    with visit(browser, path, width=390) as opened:
        assert any("px wide in a window of 390: <i> Folded." in told for told in opened.look())
        assert {told.partition(":")[0] for told in opened.axe()} == {"image-alt"}
    with visit(browser, path, scheme="dark") as opened:
        assert opened.look() == []
        assert {told.partition(":")[0] for told in opened.axe()} == {"image-alt", "color-contrast"}


# The page.


@pytest.mark.parametrize(("width", "scheme"), SETTINGS)
def test_the_page_is_shown_as_it_should_be(browser, page, width, scheme):
    with visit(browser, page, width=width, scheme=scheme) as opened:
        assert opened.axe(contrast=width == 1280) == []  # no colour depends on the width
        assert opened.look() == []
        assert opened.brightness() < 0.2 if scheme == "dark" else opened.brightness() > 0.8


@pytest.mark.slow
def test_the_page_is_there_at_once(browser, quick):
    paints = []
    for _ in range(3):  # what else runs on this machine only adds
        with visit(browser, quick) as opened:
            opened.page.wait_for_function("performance.getEntriesByType('paint').length")
            paints.append(
                opened.page.evaluate("performance.getEntriesByType('paint')[0].startTime")
            )
    size = quick.stat().st_size
    print(f"first paint after {min(paints):.0f} ms; {size / 1e6:.1f} MB")
    assert min(paints) < 1000
    assert size < 8e6


@pytest.mark.parametrize("script", [True, False])
def test_tabs_open_with_and_without_script(browser, page, script):
    with visit(browser, page, script=script) as opened:
        tabs = opened.page.locator(".tabs").first
        first, second = (tabs.locator("> .panel").nth(k) for k in (0, 1))
        expect(first).to_be_visible()
        expect(second).to_be_hidden()
        tabs.locator("> label").nth(1).click()
        expect(second).to_be_visible()
        expect(first).to_be_hidden()
        opened.page.keyboard.press("ArrowLeft")
        expect(first).to_be_visible()
        assert opened.noted == []


def test_a_figure_is_enlarged_and_its_file_is_there(browser, page):
    with visit(browser, page, width=390) as opened:
        figure = opened.page.locator("figure.figure:visible").first
        figure.get_by_role("button").tap()
        sheet = opened.page.get_by_role("dialog")
        expect(sheet.get_by_role("img")).to_be_visible()
        name = sheet.get_by_role("link").get_attribute("download")
        assert name.partition(".")[0] == figure.get_attribute("id")
        assert opened.axe() == []
        opened.page.keyboard.press("Escape")
        expect(sheet).to_be_hidden()
        assert opened.noted == []


@pytest.mark.slow
def test_a_phone_gets_drawings_of_its_own(browser, quick):
    sources = []
    for width in (1280, 390):
        with visit(browser, quick, width=width) as opened:
            image = opened.page.locator("picture img").first
            image.scroll_into_view_if_needed()
            sources.append(image.evaluate("(e) => e.currentSrc"))
    assert sources[0] != sources[1]


def test_a_link_opens_what_it_leads_to(browser, page):
    with visit(browser, page) as opened:
        figure = opened.page.locator(".tabs > .panel:nth-of-type(2) figure[id]").first
        expect(figure).to_be_hidden()
        opened.page.evaluate("(id) => { location.hash = id }", figure.get_attribute("id"))
        expect(figure).to_be_in_viewport()


def test_items_and_headings_have_links_and_data(browser, page):
    with visit(browser, page) as opened:
        parts = opened.page.locator("main :is(h2, h3, figure)[id]:not(.explored)")
        without = parts.evaluate_all(
            "(all) => all.filter((e) => !e.querySelector('a.permalink')).map((e) => e.id)"
        )
        assert without == []
        link = opened.page.locator("figure.table a.csv").first
        link.evaluate(
            "(e) => { for (let box = e; box; box = box.parentElement)"
            " if (box.matches('.panel')) box.style.display = 'block'; }"
        )
        with opened.page.expect_download() as download:
            link.click()
        saved = download.value.path().read_text()
        assert saved == unquote(link.get_attribute("href").partition(",")[2])
        assert saved.count("\n") > 1


@pytest.mark.slow
def test_the_results_sort_by_the_column_that_is_pressed(browser, quick):
    with visit(browser, quick) as opened:
        table = opened.page.locator("table.sortable").first
        heads = table.locator("thead th").all_inner_texts()
        worst = heads.index("worst within ε")
        head = table.locator("thead th").nth(worst)
        for order in ("descending", "ascending"):
            head.get_by_role("button").click()
            assert head.get_attribute("aria-sort") == order
            shown = [
                text.partition(" ")[0]
                for text in table.locator(f":is(td, th):nth-child({worst + 1})").all_inner_texts()[
                    1:
                ]
            ]
            values = [float(text) for text in shown if text not in ("–", "")]
            assert values == sorted(values, reverse=order == "descending")
            assert len(set(values)) > 1


def test_the_citation_is_copied(browser, page):
    with visit(browser, page) as opened:
        opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        opened.page.get_by_role("button", name="Copy the citation").click()
        expect(opened.page.get_by_role("button", name="Copied")).to_be_visible()
        copied = opened.page.evaluate("navigator.clipboard.readText()")
        assert copied == opened.page.locator("#citation").text_content()


def test_tables_scroll_in_a_box_of_their_own_on_a_phone(browser, page):
    with visit(browser, page, width=390) as opened:
        bare = opened.page.evaluate(
            "() => { document.querySelectorAll('details').forEach((d) => { d.open = true; });"
            " return [...document.querySelectorAll('table')].filter((table) => {"
            " const box = table.closest('.scroll'); return box ? box.tabIndex !== 0 || !box.ariaLabel"
            " : table.scrollWidth > table.parentElement.clientWidth; }).length; }"
        )
        assert bare == 0


def test_paper_has_every_section_and_what_is_folded(browser, page, tmp_path):
    with visit(browser, page, scheme="dark") as opened:
        opened.page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
        wanted = opened.page.locator(
            "main :is(h2, h3), figure[id] figcaption b"
        ).all_text_contents()
        folded = opened.page.locator(".card details p").all_text_contents()
        assert opened.noted == []
    document = pypdfium2.PdfDocument(tmp_path / "page.pdf")
    pages = [sheet.get_textpage().get_text_bounded() for sheet in document]
    text = letters("".join(pages))
    assert [words for words in wanted + folded if letters(words) not in text] == []


def letters(text):
    """Leave letters and digits: where lines and pages end, the rest is not as it was."""
    return "".join(filter(str.isalnum, text))


# The explorer.


@pytest.fixture(scope="module")
def explorer_page(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("explorer") / "page.html")


@pytest.fixture
def explorer(browser, explorer_page):
    """The explorer on a phone."""
    with visit(browser, explorer_page, width=390) as opened:
        expect(opened.page.locator("#explorer")).to_be_visible()
        yield Explorer(opened.page)
        assert opened.noted == []


class Explorer:
    """What it shows, by the names of its parts."""

    def __init__(self, page):
        self.page = page

    def __getitem__(self, name):
        return self.page.locator(f"#explorer-{name}")

    def text(self, name):
        return self[name].text_content()

    def chosen(self):
        return self.page.locator("#explorer-image input:checked").get_attribute("value")

    def pixels(self, name):
        """The bytes that a canvas shows, without those of opacity."""
        return self[name].evaluate(
            "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
            ".filter((_, k) => k % 4 < 3)"
        )


@pytest.mark.parametrize(("width", "scheme"), SETTINGS)
def test_the_explorer_looks_as_it_should(browser, explorer_page, width, scheme):
    with visit(browser, explorer_page, width=width, scheme=scheme) as opened:
        expect(opened.page.locator("#explorer")).to_be_visible()
        assert opened.axe() == opened.look() == []


def test_the_explorer_opens_with_an_image_that_the_attack_fools(explorer):
    words = "After FGSM with ε = 0.05 the model sees no (70.0 %). The attack succeeds."
    assert words in explorer.text("says")
    assert explorer.text("at") == "Accuracy at ε = 0.05, on 200 test images"
    expect(explorer.page.locator(".galleries")).to_be_hidden()


def test_keys_move_epsilon_and_the_words_say_it(explorer):
    explorer["epsilon"].press("ArrowRight")
    assert "ε = 0.1 the model sees no" in explorer.text("says")
    assert explorer.text("size") == "0.1"
    assert explorer["epsilon"].get_attribute("aria-valuetext") == "ε = 0.1"
    explorer["epsilon"].press("Home")
    assert "nothing is changed" in explorer.text("says")
    assert explorer.text("factor") == "No change"


def test_keys_choose_the_image(explorer):
    explorer.page.locator("#explorer-image input:checked").press("ArrowRight")
    assert explorer.chosen() == "1"
    assert "The right answer is no." in explorer.text("says")


def test_touch_chooses_an_image_and_moves_epsilon(explorer):
    explorer.page.locator("#explorer-image label").last.tap()
    assert explorer.chosen() == "1"
    box = explorer["epsilon"].bounding_box()
    explorer["epsilon"].tap(position={"x": 0.98 * box["width"], "y": box["height"] / 2})
    assert explorer.text("size") == "0.1"


def test_pictures_are_the_image_the_magnified_change_and_their_sum(explorer):
    explorer["epsilon"].press("End")
    assert set(explorer.pixels("before")) == {100}
    assert set(explorer.pixels("after")) == {120}
    assert explorer.text("factor") == "Change × 6.3"
    assert set(explorer.pixels("change")) == {254}


def test_an_ensemble_attacked_itself_has_fewer_stops_and_keeps_epsilon_near(explorer):
    explorer["model"].select_option("ensemble of 2")
    assert explorer["epsilon"].get_attribute("max") == "1"
    assert explorer.text("size") in ("0", "0.1")
    explorer["source"].select_option("original model")
    assert explorer["epsilon"].get_attribute("max") == "2"
    assert explorer.text("size") == "0.05"
    # The ensemble attacked itself was not scored at this size.
    assert explorer["accuracies"].locator("tr").count() == 2


def test_what_was_not_attacked_and_what_was_not_found_is_said(explorer):
    explorer["attack"].select_option("lbfgs")
    assert "L-BFGS was not run on this image" in explorer.text("says")
    expect(explorer["epsilon"]).to_be_disabled()
    explorer.page.locator("#explorer-image label").last.tap()
    assert "L-BFGS found no adversarial image" in explorer.text("says")
    expect(explorer["line"]).to_be_hidden()


def test_another_data_set_brings_its_own_images(explorer):
    explorer.page.locator("#explorer-data label").last.tap()
    assert explorer.text("size") == "0.2"
    assert len(explorer.pixels("before")) == 48
    assert explorer.text("data").count("<unv") == 2


def test_who_does_not_see_it_hears_what_changed(explorer):
    live = explorer.page.locator("#explorer [aria-live]")
    assert live.evaluate_all("(all) => all.map((e) => e.id)") == ["explorer-says"]
    parts = explorer.page.locator("#explorer :is(canvas, svg):not([aria-hidden])")
    assert all(parts.evaluate_all("(all) => all.map((e) => e.ariaLabel)"))
    for name in ("Data", "Image"):
        expect(explorer.page.get_by_role("group", name=name, exact=True)).to_be_visible()
    for name in ("Model", "Attack", "Attack made on"):
        expect(explorer.page.get_by_role("combobox", name=name, exact=True)).to_be_visible()
    expect(explorer.page.get_by_role("slider", name="Size of the attack, ε")).to_be_visible()


@pytest.mark.parametrize("how", ["without script", "on paper"])
def test_without_the_explorer_its_gallery_stands(browser, explorer_page, how):
    with visit(browser, explorer_page, script=how == "on paper") as opened:
        if how == "on paper":
            expect(opened.page.locator("#explorer")).to_be_visible()
            opened.page.emulate_media(media="print")
        expect(opened.page.locator("#explorer")).to_be_hidden()
        expect(opened.page.locator(".galleries")).to_be_visible()
        assert opened.page.locator(".galleries img[alt]").count() == 2 * 5
        assert opened.noted == []
