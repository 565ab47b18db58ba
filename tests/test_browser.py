"""The page as a browser shows it, without a network."""

from __future__ import annotations

import os

import pytest
from browser import look, start_browser

VIEWS = [(1280, "light"), (1280, "dark"), (390, "light")]

GOOD = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>T</title><style>
:root { color-scheme: light dark; }
body { color: #111111; background: #ffffff; }
@media (prefers-color-scheme: dark) { body { color: #eeeeee; background: #111111; } }
</style></head><body><h1 id="top">T</h1>
<p>Costs <code>$5</code> and <math><mi>x</mi></math>; see <a href="#top">above</a>.</p>
<details><summary>More</summary><p>Folded.</p></details>
<div style="overflow-x: auto"><div style="width: 2000px">A wide table that scrolls.</div></div>
<img alt="A square."
src="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/%3E">
</body></html>"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    started = start_browser(tmp_path_factory.mktemp("browser"))
    if started is None:
        pytest.skip("needs chromium or google-chrome; on Debian: apt-get install chromium")
    with started:
        yield started


@pytest.fixture
def views(browser):
    """Look at a page in all views; problems by view, and that dark is darker."""

    def look_at(page):
        looks = [look(browser, page, width=width, scheme=scheme) for width, scheme in VIEWS]
        assert looks[1].brightness < 0.2 < 0.8 < looks[0].brightness
        return [found.problems for found in looks]

    return look_at


def test_a_program_that_is_no_browser_is_passed_over(tmp_path, monkeypatch):
    stub = tmp_path / "chromium"
    stub.write_text("#!/bin/sh\necho 'install me' >&2\nexit 1\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("browser.NAMES", ("no-such-browser", "chromium"))
    assert start_browser(tmp_path) is None


def test_a_good_page_has_no_problems(views, tmp_path):
    (tmp_path / "page.html").write_text(GOOD)
    assert views(tmp_path / "page.html") == [[], [], []]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("</body>", "<script>console.error('no')</script></body>", "console error: no"),
        ("</body>", "<script>console.warn('hm')</script></body>", "console warning: hm"),
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
        ('alt="A square."', "", "image without an alt text"),
        ("Costs", "Costs $5,", "leftover $: Costs $5"),
        ("Folded.", r"Folded $\varepsilon$.", "leftover $"),
        ('href="#top"', 'href="#bottom"', "dangling link #bottom"),
        ("<math>", '<math style="display: none">', "formula without a size"),
        ("color: #111111", "color: #777777", "contrast of 4.48"),
        ("Folded.", '<b style="color: #888888">Folded.</b>', "contrast of 3.54: <b> Folded."),
    ],
)
def test_each_problem_is_found(browser, tmp_path, old, new, words):
    assert old in GOOD
    (tmp_path / "page.html").write_text(GOOD.replace(old, new))
    problems = look(browser, tmp_path / "page.html").problems
    assert any(words in problem for problem in problems), problems


def test_problems_of_one_view_are_found(views, tmp_path):
    page = GOOD.replace("color: #eeeeee", "color: #555555").replace(
        "Folded.", '<i style="display: block; width: 600px">Folded.</i>'
    )
    (tmp_path / "page.html").write_text(page)
    wide, dark, narrow = views(tmp_path / "page.html")
    assert wide == []
    assert dark[0].startswith("contrast of 2.5")
    assert narrow[0].startswith("608 px wide in a window of 390: <i> Folded.")
    assert len(narrow) == 1


def test_the_small_page_is_shown_as_it_should_be(views, built_once):
    assert views(built_once[0].output / "report.html") == [[], [], []]


@pytest.mark.slow
def test_the_quick_page_is_shown_as_it_should_be(views, quick_build):
    assert views(quick_build[0] / "report.html") == [[], [], []]
