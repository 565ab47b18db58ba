"""The explorer in a browser: keys, touch, words for who does not see it, and the page without script."""

from __future__ import annotations

import jinja2
import numpy as np
import pytest
from browser import Visit, look, start_browser
from markupsafe import Markup

from helpers.figures.explorer import as_script, gallery_of, packed
from helpers.report import explorer
from helpers.report.check import script_hash
from helpers.report.stitch import TEMPLATES

FOCUS = "document.getElementById('explorer-{}').focus()"
CHOSEN = "document.querySelector('#explorer-image input:checked').value"
TEXT = "document.getElementById('explorer-{}').textContent"
SHOWN = "document.getElementById('explorer').checkVisibility()"
GALLERY = "document.querySelector('.galleries').checkVisibility()"
CHOOSE = (
    "(() => {{ const list = document.getElementById('explorer-{}'); list.value = '{}'; "
    "list.dispatchEvent(new Event('change')); }})()"
)
# The bytes that a canvas shows, without those of opacity.
PIXELS = (
    "[...(c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
    "(document.getElementById('explorer-{}'))].filter((_, k) => k % 4 < 3)"
)


def block(name, shape, model, made_on, stops):
    """Two images, of the classes yes and no, which FGSM turns around from the second stop on."""
    clean = np.full((2, *shape), 100, np.uint8)
    changes = np.stack([np.full((2, *shape), 10 * k % 256, np.uint8) for k in range(len(stops))])
    right, wrong = [[900, 100], [200, 800]], [[300, 700], [750, 250]]
    series = {
        "attack": "fgsm", "label": "FGSM", "made_on": made_on, "stops": stops, "rows": [0, 1],
    }  # fmt: skip
    lbfgs = {
        "attack": "lbfgs", "label": "L-BFGS", "made_on": model, "stops": [None], "rows": [1],
    }  # fmt: skip
    accuracy = [[190 - 60 * k, 200, 0.9 - 0.3 * k, 1 - 0.3 * k] for k in range(len(stops))]
    return {
        "dataset": name, "label": f"{name} <unverified>", "classes": ["yes", "no"],
        "shape": list(shape), "epsilon": stops[1],
        "images": [{"index": 3, "y": 0}, {"index": 5, "y": 1}],
        "clean": packed(clean), "seen": {model: right},
        "attacked": [
            series | {"changes": packed(changes)},
            lbfgs | {"changes": packed(np.zeros((1, 1, *shape), np.uint8))},
        ],
        "answers": [
            series | {"model": model, "shares": [right] + [wrong] * (len(stops) - 1),
                      "accuracy": accuracy},
            lbfgs | {"model": model, "shares": [right[1:]], "accuracy": [[1, 1, 0.2, 1.0]]},
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    original = "original model"
    blocks = [
        block("digits", (4, 4, 1), original, original, [0.0, 0.05, 0.1]),
        block("digits", (4, 4, 1), "ensemble of 2", "ensemble of 2", [0.0, 0.1]),
        block("digits", (4, 4, 1), "ensemble of 2", original, [0.0, 0.05, 0.1]),
        block("shapes", (4, 4, 3), original, original, [0.0, 0.2]),
    ]
    figures = [
        f'<figure class="explored"><ul>{gallery_of(b)}</ul>{as_script(b)}</figure>' for b in blocks
    ]
    soup = explorer.BeautifulSoup("".join(figures), "html.parser")
    found = explorer.collect([("03_attacks-digits", soup)])
    loader = jinja2.FileSystemLoader(TEMPLATES)
    inside = jinja2.Environment(loader=loader, autoescape=True).get_template("explorer.html.j2")
    style, script = (
        "".join((TEMPLATES / name).read_text() for name in names)
        for names in (("style.css", "explorer.css"), ("explorer.js",))
    )
    html = f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>T</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
style-src 'unsafe-inline'; script-src '{script_hash(script)}'; base-uri 'none'; form-action 'none'">
<style>{style}</style></head><body><main><h1>T</h1>{inside.render(explorer=found)}</main>
<script>{Markup(script)}</script></body></html>"""
    path = tmp_path_factory.mktemp("explorer") / "page.html"
    path.write_text(html)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    started = start_browser(tmp_path_factory.mktemp("browser"))
    if started is None:
        pytest.skip("needs chromium or google-chrome; on Debian: apt-get install chromium")
    with started:
        yield started


@pytest.fixture
def visit(browser, page):
    with Visit(browser, page) as opened:
        opened.wait(SHOWN)
        yield opened
        assert opened.problems() == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_the_explorer_looks_as_it_should(browser, page, width, scheme):
    found = look(browser, page, width=width, scheme=scheme)
    assert found.problems == []
    assert (found.brightness < 0.2) == (scheme == "dark")


def test_it_opens_with_an_image_that_the_attack_fools(visit):
    assert "After FGSM with ε = 0.05 the model sees no (70.0 %). The attack succeeds." in visit.run(
        TEXT.format("says")
    )
    assert visit.run(TEXT.format("at")) == "Accuracy at ε = 0.05, on 200 test images"
    assert not visit.run(GALLERY)


def test_keys_move_epsilon_and_the_words_say_it(visit):
    visit.run(FOCUS.format("epsilon"))
    visit.press("ArrowRight")
    assert "ε = 0.1 the model sees no" in visit.run(TEXT.format("says"))
    assert visit.run(TEXT.format("size")) == "0.1"
    told = "document.getElementById('explorer-epsilon').getAttribute('aria-valuetext')"
    assert visit.run(told) == "ε = 0.1"
    visit.press("Home")
    assert "nothing is changed" in visit.run(TEXT.format("says"))
    assert visit.run(TEXT.format("factor")) == "No change"


def test_keys_choose_the_image(visit):
    visit.run("document.querySelector('#explorer-image input:checked').focus()")
    visit.press("ArrowRight")
    assert visit.run(CHOSEN) == "1"
    assert "The right answer is no." in visit.run(TEXT.format("says"))


def test_touch_chooses_an_image_and_moves_epsilon(visit):
    visit.touch("#explorer-image label:last-child")
    assert visit.run(CHOSEN) == "1"
    visit.touch("#explorer-epsilon", 0.98)
    assert visit.run(TEXT.format("size")) == "0.1"


def test_pictures_are_the_image_the_magnified_change_and_their_sum(visit):
    visit.run(FOCUS.format("epsilon"))
    visit.press("End")
    assert set(visit.run(PIXELS.format("before"))) == {100}
    assert set(visit.run(PIXELS.format("after"))) == {120}
    assert visit.run(TEXT.format("factor")) == "Change × 6.3"
    assert set(visit.run(PIXELS.format("change"))) == {254}


def test_an_ensemble_attacked_itself_has_fewer_stops_and_keeps_epsilon_near(visit):
    visit.run(CHOOSE.format("model", "ensemble of 2"))
    assert visit.run("document.getElementById('explorer-epsilon').max") == "1"
    assert visit.run(TEXT.format("size")) in ("0", "0.1")
    visit.run(CHOOSE.format("source", "original model"))
    assert visit.run("document.getElementById('explorer-epsilon').max") == "2"
    assert visit.run(TEXT.format("size")) == "0.05"
    rows = visit.run("document.querySelectorAll('#explorer-accuracies tr').length")
    assert rows == 2  # the ensemble attacked itself was not scored at this size


def test_what_was_not_attacked_and_what_was_not_found_is_said(visit):
    visit.run(CHOOSE.format("attack", "lbfgs"))
    assert "L-BFGS was not run on this image" in visit.run(TEXT.format("says"))
    assert visit.run("document.getElementById('explorer-epsilon').disabled")
    visit.touch("#explorer-image label:last-child")
    assert "L-BFGS found no adversarial image" in visit.run(TEXT.format("says"))
    assert not visit.run("document.getElementById('explorer-line').checkVisibility()")


def test_another_data_set_brings_its_own_images(visit):
    visit.touch("#explorer-data label:last-child")
    assert visit.run(TEXT.format("size")) == "0.2"
    assert len(visit.run(PIXELS.format("before"))) == 48
    assert visit.run("document.getElementById('explorer-data').textContent").count("<unv") == 2


def test_who_does_not_see_it_hears_what_changed(visit):
    live = "[...document.querySelectorAll('#explorer [aria-live]')].map(e => e.id)"
    assert visit.run(live) == ["explorer-says"]
    unnamed = """[...document.querySelectorAll('#explorer :is(input, select, canvas, svg)')].filter(e =>
      !(e.labels?.length || e.ariaLabel || e.ariaHidden === 'true')).length"""
    assert visit.run(unnamed) == 0
    legends = (
        "[...document.querySelectorAll('#explorer fieldset > legend')].map(e => e.textContent)"
    )
    assert visit.run(legends) == ["Data", "Image"]


def test_without_script_the_gallery_stands(browser, page):
    with Visit(browser, page, script=False) as visit:
        assert not visit.run(SHOWN)
        assert visit.run(GALLERY)
        images = "[...document.querySelectorAll('.galleries img')].filter(i => i.alt).length"
        assert visit.run(images) == 2 * 5
        assert visit.problems() == []


def test_on_paper_the_gallery_stands(visit):
    visit.call("Emulation.setEmulatedMedia", media="print")
    assert visit.run(GALLERY)
    assert not visit.run(SHOWN)
