import json
from hashlib import sha256

import numpy as np
import pytest

from helpers import paths
from helpers.evaluation.identity import ORIGINAL, ModelId
from helpers.evaluation.records import WORST_RUNG, Records
from helpers.parameters import ParameterError
from helpers.profiles import load_profile
from helpers.report import publish as publishing
from helpers.report.manifest import run_entry
from helpers.report.output import FORMAT, Output, read_manifest
from helpers.report.publish import BEGIN, END, publish, results, with_results

ENSEMBLE = ModelId(kind="ensemble", n_members=10, combine="probabilities")
SMALLER = ModelId(kind="ensemble", n_members=2, combine="probabilities")
RETRAINED = ModelId(kind="original", retrained_on="fgsm", regenerate="batch")
MADE_UP = [  # tested, attack, made on, right of 200, what else
    (ORIGINAL, "none", None, 198, {}),
    (ORIGINAL, "fgsm", ORIGINAL, 129, {}),
    (ORIGINAL, "fgsm", ORIGINAL, 20, {"epsilon": 0.4, "sweep": "epsilon"}),
    (ENSEMBLE, "none", None, 196, {}),
    (ENSEMBLE, "fgsm", ORIGINAL, 170, {}),
    (ENSEMBLE, "fgsm", ENSEMBLE, 161, {}),
    (ENSEMBLE, "bim", None, 51, {"rung": WORST_RUNG}),
    (SMALLER, "fgsm", SMALLER, 100, {}),
    (RETRAINED, "fgsm", RETRAINED, 187, {}),
    (ModelId(kind="member", member=1), "none", None, 2, {}),
]


@pytest.fixture
def build(tmp_path, monkeypatch):
    """A finished build with made-up records."""
    monkeypatch.setattr(publishing, "said", lambda records: [f"{len(records)} records."])
    folder = tmp_path / "build"
    records = Records(folder, "04_ensembles", "mnist", {"seed": 0})
    for model, attack, made_on, n, about in MADE_UP:
        about = ({} if attack == "none" else {"epsilon": 0.15}) | about
        correct = np.arange(200) < n
        records.accuracy(correct, model=model, attack=attack, made_on=made_on, parameters=about)
    records.write()
    records.table.with_suffix(".pieces.csv").write_text("name\n")
    (folder / "tables").mkdir()
    (folder / "tables" / "table-1.csv").write_text("a,b\n")
    (folder / "report.html").write_text("<html></html>")
    write_manifest(folder)
    return folder


def write_manifest(folder, **changes):
    runs = {
        run.slug: json.loads(json.dumps(run_entry(run, "done")))
        for run in load_profile("standard").runs
    }
    (table,) = (folder / "records").glob("*-????????.csv")
    files = (table, table.with_suffix(".npz"))
    runs["04_ensembles-mnist"] |= {
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

    assert files(target) == {path for path in files(build) if not path.name.endswith(".lock")}
    text = readme.read_text()
    assert text.startswith("# Title\n\n")
    assert text.endswith("\n\nMore.\n")
    assert "former results" not in text
    assert results(target) in text
    rows = [line for line in text.splitlines() if line.startswith("| mnist")]
    assert rows == [
        "| mnist | original model | 0.15 | 99.0 | 64.5 | – | – | – |",
        "| mnist | ensemble of 10 | 0.15 | 98.0 | 80.5 | – | – | – |",
        "| mnist | ensemble of 10, attack on the original model | 0.15 | 98.0 | 85.0 | – | – | – |",
        "| mnist | ensemble of 10, worst of its ladder | 0.15 | – | – | 25.5 | – | – |",
        "| mnist | retrained on FGSM, per batch | 0.15 | – | 93.5 | – | – | – |",
    ]


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
    if published:
        assert with_results(text, results(published[0])) == text
