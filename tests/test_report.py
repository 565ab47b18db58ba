"""The build and its page: what is run, what is reused, what survives a kill, what the page holds."""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import psutil
import pytest
from bs4 import BeautifulSoup
from small_project import in_place_of_the_real_one
from test_looks import luminance
from test_pieces_line import Terminal

from helpers.evaluation.model_id import ORIGINAL
from helpers.evaluation.record import plain, select
from helpers.evaluation.records import read_records
from helpers.profiles import Run
from helpers.report import manifest, mathml, stamps
from helpers.report.check import REPORT_ITEMS, check_page
from helpers.report.execute import how_it_died
from helpers.report.kernel import MemoryWatch
from helpers.report.output import FORMAT, Output, read_manifest
from helpers.report.progress import Progress, duration

PROJECT = Path(__file__).resolve().parents[1]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def states(sandbox, *arguments: str) -> dict[str, str]:
    """What --list says of each run."""
    lines = sandbox.run("--list", *arguments).stdout.partition("Runs of")[2].splitlines()[1:]
    return dict(line.split(maxsplit=1) for line in lines)


# Formulas


@pytest.mark.parametrize(
    "latex",
    [
        r"x_{adv} = x + \varepsilon\,\mathrm{sign}(\nabla_x J(\theta, x, y))",
        r"\argmin_r c\,\|r\|_2 + J(x + r, t)",
        r"\begin{cases} 1 & x > 0 \\ 0 & x \le 0 \end{cases}",
        r"a < b",
        r"\{1, \dots, n\}",
    ],
)
def test_formulas_are_drawn(latex):
    drawn = BeautifulSoup(mathml.render(latex, block=True), "html.parser").math
    assert drawn["display"] == "block"
    assert drawn["alttext"] == latex
    assert "\\" not in drawn.get_text()


@pytest.mark.parametrize(
    ("latex", "words"),
    [
        (r"\foo", r"the command \foo is not known"),
        (r"x = \arg\min_r", r"\arg"),
        (r"\frac{1", "unbalanced"),
        (r"\frac{1}", "1 instead of 2"),
        (r"a}", "unbalanced"),
        (r"\begin{aligned} a &= b \end{aligned}", "aligns"),
        (r"\left( x", "cannot be read"),
        (r"x^", "cannot be read"),
        ("", "cannot be read"),
        (r"\boldsymbol{x}", "browsers do not draw"),
        (r"\text{50\%}", "backslash"),
    ],
)
def test_formulas_that_would_come_out_wrong_are_refused(latex, words):
    with pytest.raises(mathml.FormulaError, match=re.escape(words)):
        mathml.render(latex)


# Checks of the page

GOOD = """<!DOCTYPE html><html lang="en"><head><meta http-equiv="Content-Security-Policy"
content="default-src 'none'; script-src 'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw=';
base-uri 'none'; form-action 'none'"><title>T</title><style>p { color: red }</style></head>
<body><h1>T</h1><a href="#figure-1-digits">Figure 1</a> <a href="https://arxiv.org/abs/1">paper</a>
<h2 id="a">A</h2><p>Costs <code>$5</code>. <math><mi>x</mi></math></p>
<figure id="figure-1-digits"><img alt="A digit." src="data:image/png;base64,AA=="></figure>
<pre>echo $HOME</pre><script>go()</script></body></html>"""


def test_good_page_has_no_problems():
    assert check_page(GOOD, expected=["figure-1"]) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('href="#figure-1-digits"', 'href="#figure-2"', "dangling link #figure-2"),
        ("https://arxiv.org/abs/1", "../README.md", "outside of the page: ../README.md"),
        ("https://arxiv.org/abs/1", "02_models.ipynb", "outside of the page"),
        ('src="data:image/png;base64,AA=="', 'src="https://x.org/a.png"', "fetches src="),
        ('src="data:image/png;base64,AA=="', 'src="figure.png"', "fetches src="),
        ("</head>", '<script src="https://x.org/m.js"></script></head>', "<script> fetches"),
        ("</head>", '<link rel="stylesheet" href="a.css"></head>', "<link> fetches"),
        ("color: red", "background: url(https://x.org/a.png)", "fetches https://x.org/a.png"),
        ("color: red }", "} @import 'https://x.org/a.css';", "style of <style> fetches"),
        ("<p>", "<p style='background:url(a.png)'>", "fetches a.png"),
        ('alt="A digit." ', "", "without an alt text in #figure-1-digits"),
        ('alt="A digit."', 'alt=" "', "without an alt text"),
        ("A digit.", "No description has been provided for this image", "without an alt text"),
        ("<h2 ", '<p id="a">again</p><h2 ', "id 'a' stands 2 times"),
        ("Costs ", r"Costs $\varepsilon$ ", "leftover $"),
        ("Costs ", "Costs $5 ", "leftover $"),
        ("<mi>x</mi>", r"<mi>\foo</mi>", r"the command \foo"),
        ("<h2 ", '<div class="output_error">ValueError: no</div><h2 ', "error in an output"),
        ('<h2 id="a">A</h2>', "<h3>A</h3>", "is an h3 after h1"),
        ('<h2 id="a">A</h2>', "<h1>A</h1>", "2 h1 headings"),
        ('<html lang="en">', "<html>", "no lang"),
        ("<title>T</title>", "", "no <title>"),
        ("<pre>", "<svg></svg><pre>", "svg without"),
        ("figure-1-digits", "figure-10-digits", "Figure 1 is missing"),
        ("<script>go()", "<script>go() ", "lacks a script's hash 'sha256-"),
        ("<script>go()</script>", "", "Policy lets 'sha256-"),
        ("script-src ", "script-src 'unsafe-inline' ", "Policy lets 'unsafe-inline' run"),
        ("<p>", '<p onclick="go()">', "<p> has the event handler onclick"),
        ("https://arxiv.org/abs/1", " JavaScript:go()", "<a> runs href= JavaScript:go()"),
        ("default-src 'none';", "", "lacks default-src 'none'"),
        ("base-uri 'none';", "base-uri 'self';", "lacks base-uri 'none'"),
        ("form-action 'none'", "", "lacks form-action 'none'"),
    ],
)
def test_each_problem_of_a_page_is_found(old, new, words):
    assert old in GOOD
    problems = check_page(GOOD.replace(old, new), expected=["figure-1"])
    assert any(words in problem for problem in problems), problems


def test_the_reports_own_figures_and_tables_are_demanded():
    assert {"figure-1", "figure-11", "table-1", "table-5"} <= set(REPORT_ITEMS)
    assert len(check_page(GOOD, expected=REPORT_ITEMS)) == 15


# Stamps, files, progress


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.4, "4 s"), (59.6, "1:00 min"), (185, "3:05 min"), (7800, "2:10 h")]
)
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_progress_shows_the_bar_and_keeps_a_log_clean(kind, monkeypatch):
    stream = kind()
    monkeypatch.setattr("helpers.report.progress.HEARTBEAT", 0.05)
    monkeypatch.setenv("COLUMNS", "200")
    progress = Progress(["a", "b:digits"], {"a": 10.0, "b:digits": 100.0}, stream)
    progress.start("a", "runs")
    progress.cell("a", 3, 7)
    progress.output("a", "\r\x1b[32m 10%|#  | 1/10\x1b[0m\r 20%|## | 2/10")
    assert wait_for(lambda: "20%|## | 2/10" in stream.getvalue())
    progress.end("a", "done")
    text = stream.getvalue()
    assert "[1/2] a" in text
    assert "cell 3/7" in text
    assert "1:50 min left in all" in text
    assert ("\x1b" in text) == ("\r" in text) == stream.isatty()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's high-water mark")
def test_a_short_peak_of_memory_is_not_missed():
    code = "x = b'1' * 300_000_000; del x; print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        watch = MemoryWatch(process.pid)
        watch.look()
        process.communicate(b"\n")
    assert 280 < watch.mebibytes() < 400
    dead = MemoryWatch(2**22 + 1)
    dead.look()
    assert dead.mebibytes() == 0


@pytest.mark.slow
def test_chapters_side_by_side_have_the_records_of_one_after_the_other(sandbox, built_once):
    done = sandbox.run("--workers", "2")
    assert done.returncode == 0, done.stderr
    started = [line for line in done.stderr.splitlines() if "runs" in line]
    ended = [line for line in done.stderr.splitlines() if "done" in line]
    assert len(started) == len(ended) == 4
    assert "09_findings" in ended[-1]
    assert done.stderr.index(started[1]) < done.stderr.index(ended[0])  # two at once
    manifest = json.loads((sandbox.output / "manifest.json").read_text())
    assert [worker["peak_memory_mib"] > 20 for worker in manifest["workers"]] == [True, True]
    one, other = (
        {path.name: path.read_text() for path in (output / "records").glob("*.csv")}
        for output in (sandbox.output, built_once[0].output)
    )
    assert one == other
    assert sandbox.run("--workers", "2").stderr.count("reused") == 4


@pytest.mark.slow
def test_a_failure_among_chapters_side_by_side_lets_the_others_end(sandbox):
    done = sandbox.run("--workers", "2", "--set", "mode=error")
    assert done.returncode == 1
    assert "size is too good" in done.stderr
    assert not sandbox.output.joinpath("report.html").exists()
    assert not sandbox.output.joinpath("notebooks/09_findings.ipynb").exists()
    assert sandbox.output.joinpath("notebooks/01_data.ipynb").exists()
    again = sandbox.run("--workers", "2")
    assert again.returncode == 0, again.stderr


# The small project's page


@pytest.fixture(scope="module")
def page(built_once):
    return built_once[0].output.joinpath("report.html").read_text()


@pytest.fixture(scope="module")
def soup(page):
    """The same, to be read, not changed."""
    return BeautifulSoup(page, "html.parser")


def test_a_build_ends_well_and_says_where_the_page_is(built_once):
    sandbox, done = built_once
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"Report: {sandbox.output / 'report.html'}"
    assert "[4/4] 09_findings" in done.stderr
    assert "Took" in done.stderr
    assert "\x1b" not in done.stderr
    assert "\r" not in done.stderr


def test_the_policy_names_the_hash_of_every_script_and_nothing_else_runs(page, soup):
    policy = soup.select_one("meta[http-equiv='Content-Security-Policy']")["content"]
    # Not by the parser, which may read a script otherwise than browsers do.
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert "script-src " + " ".join(f"'sha256-{h}'" for h in hashes) + ";" in policy
    assert "base-uri 'none'; form-action 'none'" in policy
    assert not [name for tag in soup.find_all(True) for name in tag.attrs if name.startswith("on")]


def plain_text(element):
    return " ".join(element.get_text(" ", strip=True).split())


def test_findings_stand_first_and_each_chapter_once(page, soup):
    titles = [plain_text(heading) for heading in soup.select("main h2")]
    known = [title for title in titles if title != "Glossary"]
    assert known == ["Findings", "1. Data", "2. Models", "References", "How this page was made"]
    assert [plain_text(h) for h in soup.select("main section > .prose h3")] == [
        "1.1 What is there",
        "2.1 Accuracy",
    ]
    links = [link["href"] for link in soup.select("nav.contents a")]
    assert links[:3] == ["#09_findings", "#01_data", "#01_data-What-is-there"]


def test_outputs_of_several_data_sets_stand_in_tabs_that_need_no_script(soup):
    tabs = soup.select_one("#figure-2-digits").find_parent(class_="tabs")
    inputs = tabs.find_all("input", recursive=False)
    assert [i["type"] for i in inputs] == ["radio", "radio"]
    assert [i.has_attr("checked") for i in inputs] == [True, False]
    assert len({i["name"] for i in inputs}) == 1
    assert [label["for"] for label in tabs.find_all("label")] == [i["id"] for i in inputs]
    panels = tabs.find_all(class_="panel", recursive=False)
    assert [panel["data-set"] for panel in panels] == ["digits", "shapes"]
    assert panels[1].select_one("#figure-2-shapes")


def test_the_claims_have_a_tile_and_a_card_each(soup):
    tiles = [link["href"][1:] for link in soup.select("header .tile")]
    assert len(tiles) == 19
    assert tiles == [card["id"] for card in soup.select("main .card")]
    for card in soup.select("main .card"):
        assert card.blockquote.get_text()
        assert card.select_one(".why").get_text()
        assert "open" not in card.details.attrs


def test_the_head_says_what_was_run_and_cites_the_report(soup):
    assert "Profile quick" in soup.select_one("header .run").get_text()
    assert "digits in the place of MNIST" in plain_text(soup.select_one("header .note"))
    assert soup.select_one("header .abstract a")["href"] == "#ref-harms-2019"
    assert soup.find(id="ref-harms-2019")


def test_links_lead_to_the_first_data_set_from_prose(soup):
    prose = soup.find(id="02_models-1")
    assert [link["href"] for link in prose.select("a:not(.permalink)")] == [
        "#figure-2-digits",
        "#table-1-digits",
        "#02_models-Accuracy",
        "#01_data-What-is-there",
    ]


def test_figures_and_tables_have_links_to_themselves_and_their_data(soup):
    table = soup.select_one("#table-1-digits")
    assert table.select_one(".permalink")["href"] == "#table-1-digits"
    assert unquote(table.select_one("a[download]")["href"]).endswith("Model,Accuracy\nCNN,99.1 %\n")


def test_the_page_shows_results_and_folds_the_rest(page, soup, built_once):
    assert "accuracies: [1.0, 0.5]" in page
    assert not any("epoch 1/10" in pre.get_text() for pre in soup.select(".output_wrapper pre"))
    assert all(block.find_parent("details") for block in soup.select(".code .highlight"))
    assert not soup.select("main details[open], script[src]")
    assert soup.select_one("#table-1-digits .scroll table")
    parameters = [plain_text(row) for row in soup.select("#parameters dt")]
    assert "size : 1 (01_data, shapes); 2 (digits)" in parameters
    assert str(built_once[0].root) not in page


def test_the_manifest_holds_what_was_used(built_once):
    made = json.loads((built_once[0].output / "manifest.json").read_text())
    assert made["status"] == "done"
    assert made["datasets"] == [
        {
            "name": "digits",
            "label": "digits",
            "status": "generated",
            "digest": "ab12",
            "n_train": 1597,
            "n_test": 200,
        }
    ]
    assert made["versions"]["python"] == sys.version.split()[0]
    assert made["versions"]["nbconvert"]
    assert made["machine"]["cores"] >= 1
    run = made["runs"]["02_models-digits"]
    assert run["parameters"] == {"seed": 1, "dataset": "digits", "size": 2, "mode": "good"}
    assert run["status"] == "done"
    assert 0 < run["seconds"] < made["spent_seconds"]
    assert 10 < run["peak_memory_mib"] < 2000
    name = next(name for name in run["records"] if name.endswith(".csv"))
    assert run["pieces"] == {
        "file": name.replace(".csv", ".pieces.csv"),
        "count": 2,
        "made": 1,
        "seconds": 42.5,
        "processor_seconds": 73.2,
        "machines": ["Some CPU (avx2), threads: 1", "Some CPU (avx2), threads: 2"],
        "revisions": ["abc", "unknown"],
    }
    assert made["runs"]["01_data"]["pieces"] is None
    assert made["started"] <= run["started"] <= made["ended"]


def test_everything_of_a_build_is_in_its_folder(built_once):
    sandbox = built_once[0]
    names = {path.name for path in sandbox.output.iterdir()} - {".lock", ".kernel.lock"}
    assert names == {
        "report.html", "manifest.json", "manifest.json.bak", "notebooks", "records", "logs", "tables"
    }  # fmt: skip
    assert {path.name for path in (sandbox.output / "notebooks").iterdir()} == {
        "01_data.ipynb",
        "02_models-digits.ipynb",
        "02_models-shapes.ipynb",
        "09_findings.ipynb",
    }
    assert "epoch 1/10" in (sandbox.output / "logs" / "02_models-digits.log").read_text()
    assert {path.name for path in (sandbox.root / "build").iterdir()} == {"quick"}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrast_is_enough_in_both_themes(theme):
    style = (PROJECT / "helpers" / "report" / "template" / "colours.css").read_text()
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[theme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    pairs = [
        (name, page)
        for page in ("page", "panel")
        for name in ("text", "quiet", "link", "keyword", "string", "comment", "number", "name")
    ]
    for ink, paper in [*pairs, ("warn-text", "warn-page"), ("link", "warn-page")]:
        light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)


def test_a_formula_that_cannot_be_drawn_stops_the_page(built):
    edit(built.output / "notebooks" / "01_data.ipynb", r"$\\varepsilon", r"$\\varepsilum")
    done = built.run()
    assert done.returncode == 1
    assert "01_data, cell 5" in done.stderr
    assert r"\varepsilum" in done.stderr
    assert not (built.output / "report.html").exists()


def test_a_missing_figure_stops_the_page(built):
    edit(built.output / "notebooks" / "01_data.ipynb", "figure-1-digits", "figure-3-digits")
    done = built.run()
    assert done.returncode == 1
    assert "Figure 1 is missing" in done.stderr
    assert not (built.output / "report.html").exists()
    assert (built.output / "report.rejected.html").exists()


# What is reused


def test_an_unchanged_build_is_reused(built):
    before = (built.output / "notebooks" / "01_data.ipynb").stat().st_mtime_ns
    done = built.run()
    assert done.returncode == 0
    assert done.stderr.count("reused") == 4
    assert (built.output / "notebooks" / "01_data.ipynb").stat().st_mtime_ns == before


HEX = "[0-9a-f]" * 8
MODELS = ("02_models:digits", "02_models:shapes")
ALL = ("01_data", *MODELS, "09_findings")


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("notebooks/02_models.ipynb", ("import time", "import  time"), MODELS),
        ("helpers/lib.py", ("answer = 42", "answer = 43"), ALL),
        ("helpers/figures/part.py", ("width = 1", "width = 2"), ALL),
        ("helpers/report/part.py", ("width = 1", "width = 2"), ()),
        ("helpers/lib.py", ("answer = 42", "answer = 42  # known"), ()),
        ("helpers/lib.py", ('"""Words."""', '"""Other words."""'), ()),
        ("profiles/quick.yaml", ("digits: {size: 2}", "digits: {size: 3}"), MODELS[:1]),
        (f"build/quick/records/02_models-shapes-{HEX}.csv", ("0.5", "0.9"),
         (MODELS[1], "09_findings")),
        (f"build/quick/records/02_models-shapes-{HEX}.pieces.csv", ("40.5", "9.5"), ()),
        ("build/quick/notebooks/01_data.ipynb", ("metadata", "metadatum"),
         ("01_data", "09_findings")),
    ],
)  # fmt: skip
def test_only_what_a_change_concerns_runs_again(built, old, new, changed):
    (path,) = built.root.glob(old)
    edit(path, *new)
    found = {name for name, state in states(built).items() if state != "done"}
    # The findings depend on their own inputs alone until the others have run again.
    assert found == set(changed)


def test_the_page_speaks_of_what_stands_on_it(built, monkeypatch):
    from helpers.report import stitch

    told, build_page = set(), stitch.build_page

    def noted(parts, record, absent, records, folder):
        told.update((r.chapter, r.dataset) for r in records)
        return build_page(parts, record, absent, records, folder)

    monkeypatch.setattr(stitch, "build_page", noted)
    edit(built.root / "profiles" / "quick.yaml", "digits: {size: 2}", "digits: {size: 3}")
    for path in (built.output / "records").glob("02_models-digits-*.pieces.csv"):
        path.unlink()  # of a run that is outdated
    assert built.run("--only", "01_data").returncode == 0
    assert ("02_models", "shapes") in told
    assert ("02_models", "digits") not in told  # there, and outdated


def test_other_settings_of_onednn_run_everything_again(built, monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX")
    assert states(built)["01_data"] == "changed: oneDNN"


def data_stamp(run, folder):
    stamps.look_again()
    return stamps.stamp(run, Output(folder), folder, ())["data"]


def test_parameters_and_real_data_count(tmp_path):
    run = Run("02_models", "mnist", {"seed": 1, "data_dir": "data"})
    output, data = Output(tmp_path / "out"), tmp_path / "data"
    (data / "mnist").mkdir(parents=True)
    (data / "mnist" / "train").write_text("123")

    def look():
        return data_stamp(run, data)

    first = look()
    (data / "mnist" / "train").write_text("1234")
    second = look()
    (data / "mnist" / "test").write_text("1")
    third = look()
    (data / "mnist" / "test").unlink()
    assert len({first, second, third}) == 3
    assert look() == second
    model = tmp_path / "own.keras"
    own = Run("03_attacks", "digits", {"model": str(model)})
    states_of_model = set()
    for content in ("one", "two", None):
        model.unlink(missing_ok=True) if content is None else model.write_text(content)
        states_of_model.add(data_stamp(own, data))
    assert len(states_of_model) == 3
    stand_in = Run("02_models", "digits", {"seed": 1, "data_dir": "data"})
    assert data_stamp(stand_in, data) == data_stamp(stand_in, tmp_path)
    assert output.parameters(run, data)["data_dir"] == str(data)


def test_a_picture_deep_inside_a_data_set_counts(tmp_path):
    run = Run("06_tiny_imagenet", "tiny_imagenet", {})
    picture = tmp_path / "tiny-imagenet-200/train/n01/images/n01_7.JPEG"
    picture.parent.mkdir(parents=True)
    found = set()
    for content, seconds in (("one", 1), ("three", 1), ("three", 2), ("seven", 3)):
        picture.write_text(content)
        os.utime(picture, (seconds, seconds))
        found.add(data_stamp(run, tmp_path))
    assert len(found) == 4
    picture.rename(picture.with_name("n01_8.JPEG"))
    assert data_stamp(run, tmp_path) not in found


def test_criteria_count_where_something_is_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(stamps.paths, "PROJECT", tmp_path)
    claims = tmp_path / "data" / "claims.yaml"
    claims.parent.mkdir()
    found = []
    for content in ("margin: 1", "margin: 2"):
        claims.write_text(content)
        run = Run("09_findings", None, {})
        found.append(stamps.stamp(run, Output(tmp_path), tmp_path, ()))
    assert {cause for cause in found[0] if found[0][cause] != found[1][cause]} == {"criteria"}
    other = stamps.stamp(Run("01_data", None, {}), Output(tmp_path), tmp_path, ())
    assert "criteria" not in other


def test_a_data_set_is_walked_once_for_all_its_runs(tmp_path, monkeypatch):
    (tmp_path / "mnist").mkdir()
    walks = []
    monkeypatch.setattr(stamps, "walk", lambda folder: walks.append(folder) or [])
    stamps.look_again()
    for chapter in ("02_models", "03_attacks", "04_ensembles"):
        stamps.stamp(Run(chapter, "mnist", {}), Output(tmp_path), tmp_path, ())
    assert walks == [tmp_path / "mnist"]
    stamps.look_again()


def test_findings_run_again_after_another_chapter(built):
    done = built.run("--only", "02_models:digits", "--set", "size=5")
    assert done.returncode == 0, done.stderr
    # With --set for one run only, the others are another build's, and are named as missing.
    soup = BeautifulSoup((built.output / "report.html").read_text(), "html.parser")
    note = soup.select_one("header p.failure").get_text(" ")
    assert "09_findings (changed: other chapters)" in note
    assert "02_models:shapes (changed: parameters)" in note
    assert soup.select_one("main h2").get_text() == "2. Models"


def test_only_builds_what_is_named_from_nothing(sandbox):
    done = sandbox.run("--only", "01_data", "09_findings")
    assert done.returncode == 0, done.stderr
    assert "[2/2] 09_findings" in done.stderr
    assert "02_models:digits (not built yet)" in (sandbox.output / "report.html").read_text()
    made = json.loads((sandbox.output / "manifest.json").read_text())
    assert made["runs"]["02_models-digits"]["status"] == "not built"


def test_fresh_removes_what_builds_wrote_and_nothing_else(built):
    def spent():
        return json.loads((built.output / "manifest.json").read_text())["spent_seconds"]

    before = spent()
    assert built.run("--only", "01_data").returncode == 0
    together = spent()
    assert together > before
    (built.output / "figures").mkdir()
    (built.output / "figures" / "figure-1-digits.png").write_text("old")
    done = built.run("--fresh", "--only", "01_data")
    assert done.returncode == 0
    assert "reused" not in done.stderr
    assert spent() < together
    assert "left in all" in done.stderr  # times of the removed build are still of use
    assert not (built.output / "figures" / "figure-1-digits.png").exists()
    assert not (built.output / "notebooks" / "02_models-digits.ipynb").exists()
    names = {path.name.partition("-")[0] for path in (built.output / "records").iterdir()}
    assert names == {"01_data", ".01_data"}


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"format": "FORMAT", "runs": {}}'])
def test_a_lost_manifest_costs_no_work(built, content):
    manifest = built.output / "manifest.json"
    former = json.loads(manifest.read_text())
    manifest.unlink()
    if content is not None:
        manifest.write_text(content.replace("FORMAT", FORMAT))
    with in_place_of_the_real_one(built.root):
        found = read_manifest(Output(built.output))
    assert found["profile"] == "quick"
    for slug, run in former["runs"].items():
        assert {key: found["runs"][slug][key] for key in ("name", "seconds")} == {
            key: run[key] for key in ("name", "seconds")
        }


def test_what_no_manifest_tells_of_is_not_touched(built):
    for name in ("manifest.json", "manifest.json.bak"):
        (built.output / name).write_text("")
    done = built.run()
    assert done.returncode == 2
    assert "which no build wrote" in done.stderr


def test_another_tools_manifest_is_not_overwritten(built):
    (built.output / "manifest.json").write_text('{"name": "web app"}')
    done = built.run()
    assert done.returncode == 2
    assert "which no build wrote" in done.stderr
    assert json.loads((built.output / "manifest.json").read_text()) == {"name": "web app"}


def test_a_full_disk_is_said_and_the_manifest_tells(sandbox, monkeypatch):
    write, writes = manifest.write_atomically, []

    def on_a_full_disk(path, *content, **options):
        writes.append(path)
        if len(writes) > 2 and (path.parent / "manifest.json.bak").exists():
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, *content, **options)

    monkeypatch.setattr(manifest, "write_atomically", on_a_full_disk)
    done = sandbox.run("--only", "01_data")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr
    assert json.loads((sandbox.output / "manifest.json").read_text())["status"] == "failed"


def test_runs_that_the_profile_dropped_leave_no_records(built):
    edit(built.root / "profiles" / "quick.yaml", ', "02_models:shapes"', "")
    assert built.run().returncode == 0
    assert not list((built.output / "records").glob("*02_models-shapes*"))
    assert "accuracies: [1.0]" in (built.output / "report.html").read_text()
    assert "Models · shapes" not in (built.output / "report.html").read_text()


# Failures


def test_a_failing_cell_stops_the_build(built):
    done = built.run("--set", "mode=error")
    assert done.returncode == 1
    assert "02_models:digits failed at cell 6 of 7, In [4]" in done.stderr
    assert "ValueError: size is too good" in done.stderr
    failed = built.output / "notebooks" / "02_models-digits.failed.ipynb"
    assert f"executed notebook: {failed}" in done.stderr
    assert "size is too good" in failed.read_text()
    assert "09_findings" not in done.stderr
    assert not (built.output / "report.html").exists()
    assert "Report:" not in done.stdout
    made = json.loads((built.output / "manifest.json").read_text())
    assert made["status"] == made["runs"]["02_models-digits"]["status"] == "failed"


def test_keep_going_puts_a_box_in_place_of_a_failed_chapter(built):
    done = built.run("--set", "mode=error", "--keep-going")
    assert done.returncode == 1
    assert "INCOMPLETE, 1 failed: 02_models-digits" in done.stderr
    soup = BeautifulSoup((built.output / "report.html").read_text(), "html.parser")
    box = soup.find(id="02_models").find_next(class_="failure").get_text(" ")
    assert "02_models:digits failed" in box
    assert "size is too good" in box
    assert "02_models:digits failed" in " ".join(soup.select_one("p.failure").get_text().split())
    assert soup.find(id="figure-2-shapes") is not None


def test_only_a_kernel_that_took_much_is_said_to_lack_memory(monkeypatch):
    total, plenty = psutil.virtual_memory().total, psutil.virtual_memory().total // 2
    for peak, available, lack in ((9, plenty, False), (total // 2, plenty, True), (9, 9, True)):
        watch = SimpleNamespace(peak=peak, least_available=available, mebibytes=lambda: 9)
        assert ("a lack of memory" in how_it_died(-signal.SIGKILL, watch)) == lack


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("die", ["cell 6 of 7", "killed by SIGKILL", "MiB", "there was memory left"]),
        ("leave", ["cell 7 of 7", "an earlier cell ended the notebook"]),
    ],
)
def test_a_dead_kernel_and_an_early_end_are_failures(sandbox, mode, words):
    done = sandbox.run("--only", "02_models:digits", "--set", f"mode={mode}")
    assert done.returncode == 1
    for word in words:
        assert word in done.stderr
    assert not (sandbox.output / "notebooks" / "02_models-digits.ipynb").exists()


def test_a_foreign_kernel_of_the_same_name_is_not_used(sandbox, tmp_path, monkeypatch):
    foreign = tmp_path / "kernels" / "python3"
    foreign.mkdir(parents=True)
    spec = {"argv": ["/bin/false"], "display_name": "Python 3", "language": "python"}
    (foreign / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    done = sandbox.run("--only", "09_findings")
    assert done.returncode == 0, done.stderr


def wait_for(condition, seconds: float = 30.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, id="ctrl-c"),
        pytest.param(signal.SIGTERM, 143, id="terminate", marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -9, id="kill", marks=pytest.mark.slow),
    ],
)
def test_a_killed_build_is_gone_on_with(sandbox, number, code):
    arguments = ("pair", "--set", "mode=slow")
    output = sandbox.root / "build" / "pair"
    with sandbox.start(*arguments) as process:
        assert wait_for(lambda: (output / "pid").exists() and (output / "pid").read_text(), 120)
        assert wait_for((output / "notebooks" / "01_data.ipynb").exists, 120)
        kernel = psutil.Process(int((output / "pid").read_text()))
        all_of_it = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == code
    assert "Traceback" not in said
    assert "Interrupted" in said or number == signal.SIGKILL
    assert not (output / "notebooks" / "02_models-digits.ipynb").exists()
    assert not (output / "report.html").exists()
    (output / "hurry").touch()
    done = sandbox.run(*arguments)  # at once: it waits for the orphaned kernel by itself
    assert done.returncode == 0, done.stderr
    assert wait_for(lambda: not kernel.is_running() or kernel.status() == "zombie", 0.1)
    _, alive = psutil.wait_procs(all_of_it, 10)
    assert all(one.status() == psutil.STATUS_ZOMBIE for one in alive)
    assert re.search(r"01_data +reused", done.stderr)
    assert not select(read_records(output), quantity="half")
    assert len(select(read_records(output), quantity="accuracy")) == 1
    assert not list((output / "notebooks").glob("*.partial.ipynb"))
    assert (output / "report.html").exists()


# The real thing


@pytest.mark.slow
def test_quick_page(quick_build):
    output, done = quick_build
    path = output / "report.html"
    assert str(path) in done.stdout
    assert path.stat().st_size < 20e6
    page = path.read_text()
    assert check_page(page, expected=REPORT_ITEMS) == []
    assert "Record(chapter=" not in page, "a cell ends with an expression that is a record"
    soup = BeautifulSoup(page, "html.parser")
    captions = [caption.get_text(" ", strip=True) for caption in soup.select("figcaption")]
    for name in ("digits", "shapes", "tiny_shapes"):
        assert any(name in caption for caption in captions), f"{name} under no figure"
    for figure in soup.select("figure[id]"):  # a stand-in is called by its own name
        assert not re.search(r"-(mnist|cifar10|tiny_imagenet)$", figure["id"])


@pytest.mark.slow
def test_quick_manifest(quick_build):
    made = json.loads((quick_build[0] / "manifest.json").read_text())
    assert made["status"] == "done"
    assert len(made["datasets"]) >= 3
    for run in made["runs"].values():
        assert run["seconds"] > 0
        assert run["peak_memory_mib"] < 3 * 1024


@pytest.mark.slow
def test_quick_results_are_plausible(quick_build):
    """The networks learn, attacks beat noise, and nothing is easier than it is meant to be."""
    records = [r for r in read_records(quick_build[0]) if r.quantity == "accuracy"]

    def accuracy(dataset, attack, **wanted):
        chapter = "06_tiny_imagenet" if dataset == "tiny_shapes" else "03_attacks"
        wanted = {"dataset": dataset, "chapter": chapter, "attack": attack, "model": ORIGINAL}
        found = plain(select(records, **wanted))
        assert found, (dataset, attack)
        return found[0].values["accuracy"]

    assert accuracy("digits", "none") > 0.95
    assert 0.75 < accuracy("shapes", "none") < 0.95
    assert accuracy("tiny_shapes", "none") > 0.7
    for dataset in ("digits", "shapes", "tiny_shapes"):
        assert accuracy(dataset, "bim") <= accuracy(dataset, "fgsm") + 0.05
        assert accuracy(dataset, "bim") < accuracy(dataset, "none") - 0.2
        # A few values of c and iterations are enough for small networks only.
        assert accuracy(dataset, "lbfgs") < (0.5 if dataset == "tiny_shapes" else 0.1)
    assert accuracy("digits", "noise") > accuracy("digits", "fgsm") + 0.1


@pytest.mark.slow
def test_a_second_quick_build_reuses_every_chapter(quick_build):
    output, _ = quick_build
    runs = json.loads((output / "manifest.json").read_text())["runs"]
    again = subprocess.run([PROJECT / "build_report.sh"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr[-5000:]
    assert again.stderr.count("reused") == len(runs)
