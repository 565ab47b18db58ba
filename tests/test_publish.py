import json
from hashlib import sha256
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from made_up_run import ORIGINAL, TINY, accuracy, bagging, ensemble, ladder, retraining

from helpers import paths
from helpers.evaluation.records import records_name, write_records
from helpers.parameters import ParameterError
from helpers.profiles import load_profile
from helpers.report.manifest import run_entry
from helpers.report.output import FORMAT, Output, read_manifest
from helpers.report.publish import BEGIN, END, publish, results, with_results


def large():
    return [
        accuracy(*TINY, ORIGINAL, "none", 0.5),
        accuracy(*TINY, ORIGINAL, "fgsm", 0.125, made_on=ORIGINAL, epsilon=0.02),
        accuracy(*TINY, ensemble(2), "fgsm", 0.375, made_on=ORIGINAL, epsilon=0.02),
    ]


@pytest.fixture
def build(tmp_path):
    """A finished build with made-up records."""
    folder, held = tmp_path / "build", {}
    for record in bagging() + ladder(share=0.25) + retraining() + large():
        held.setdefault((record.chapter, record.dataset), []).append(record)
    for place, records in held.items():
        table = folder / "records" / f"{records_name(*place, {'seed': 0})}.csv"
        write_records(table, records)
        table.with_suffix(".pieces.csv").write_text("name\n")
    shown = {"text/html": '<figure id="table-1"></figure><figure id="figure-2"></figure>'}
    cell = {"cell_type": "code", "source": "", "outputs": [{"data": shown}]}
    for name, content in {
        "tables/table-1.csv": "a,b\n", "figures/figure-2.svg": "<svg/>",
        "notebooks/01_data.ipynb": json.dumps({"cells": [cell]}),
    }.items():  # fmt: skip
        path = folder / name
        path.parent.mkdir()
        path.write_text(content)
    (folder / "report.html").write_text("<html></html>")
    write_manifest(folder)
    return folder


def write_manifest(folder, **changes):
    runs = {
        run.slug: json.loads(json.dumps(run_entry(run, "done")))
        for run in load_profile("standard").runs
    }
    for table in (folder / "records").glob("*-????????.csv"):
        files = (table, table.with_suffix(".npz"))
        runs[table.stem.rpartition("-")[0]] |= {
            "records": {path.name: sha256(path.read_bytes()).hexdigest() for path in files},
            "pieces": {"file": f"{table.stem}.pieces.csv"},
        }
    manifest = {
        "format": FORMAT, "profile": "standard", "status": "done", "revision": "abc",
        "started": "2026-01-02T03:04:05", "datasets": [], "runs": runs,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


@pytest.fixture
def readme(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"# Title\n\n{BEGIN}\nformer results\n{END}\n\nMore.\n")
    return path


def test_a_build_is_copied_and_its_results_stand_in_the_readme(build, readme, tmp_path):
    target = publish(build, tmp_path / "reports", readme)
    assert target == tmp_path / "reports" / "standard"

    def files(folder):
        return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}

    kept = {path for path in files(build) if path.suffix not in (".lock", ".ipynb")}
    assert files(target) == kept | {Path("results.svg")}
    drawn = json.loads((target / "manifest.json").read_text())["drawn"]
    assert drawn == ["figures/figure-2.svg", "tables/table-1.csv"]
    text = readme.read_text()
    assert text.startswith("# Title\n\n")
    assert text.endswith("\n\nMore.\n")
    assert "former results" not in text
    found, picture = results(target)
    assert found in text
    assert "An ensemble of 10 seems to keep 60.0 %" in found
    assert 'results.svg" alt="MNIST, BIM with ε = 0.1: no defence 40.0 %' in found
    assert (target / "results.svg").read_text() == picture
    drawn = BeautifulSoup(picture, "html.parser")
    assert [text.text for text in drawn.select("text.value")] == [
        "MNIST, BIM with ε = 0.1", "40.0 %", "60.0 %", "30.0 %", "70.0 %",
    ]  # fmt: skip


def test_what_was_left_out_is_named(build, readme, tmp_path):
    manifest = json.loads((build / "manifest.json").read_text())
    manifest["runs"]["01_data"]["status"] = "not built"
    write_manifest(build, runs=manifest["runs"])
    publish(build, tmp_path / "reports", readme)
    assert "[page](reports/standard/report.html). Not in it: 01_data.\n" in readme.read_text()


def test_publishing_again_changes_nothing(build, readme, tmp_path):
    publish(build, tmp_path / "reports", readme)
    first = readme.read_text()
    publish(build, tmp_path / "reports", readme)
    assert readme.read_text() == first


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "failed"}, "not finished"),
        ({"runs": {"x": {"name": "03_attacks:mnist", "status": "waiting"}}}, "03_attacks:mnist"),
        ({"runs": {"x": {"name": "01_data", "status": "done", "parameters": {}}}}, "01_data, 02_m"),
        ({"revision": "abc (modified)"}, "not committed"),
        ({"revision": None}, "not committed"),
    ],
)
def test_an_unfinished_or_unrepeatable_build_is_not_published(
    build, readme, tmp_path, changes, message
):
    write_manifest(build, **changes)
    with pytest.raises(ParameterError, match=message):
        publish(build, tmp_path / "reports", readme)
    assert not (tmp_path / "reports").exists()


def test_a_readme_without_a_place_is_refused():
    with pytest.raises(ParameterError, match="no place for the results"):
        with_results("# Title", "table")


def test_the_readmes_results_are_those_of_the_published_records():
    published = [
        path.parent
        for path in sorted((paths.PROJECT / "reports").glob("*/manifest.json"))
        if read_manifest(Output(path.parent)) and list(path.parent.glob("records/*.csv"))
    ]
    assert len(published) <= 1, "the README has room for the results of one build"
    text = (paths.PROJECT / "README.md").read_text(encoding="utf-8")
    for folder in published:
        found, picture = results(folder)
        assert with_results(text, found) == text
        assert (folder / "results.svg").read_text(encoding="utf-8") == picture
