"""Two builds side by side: which records belong together, what is said of them, what is refused."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from helpers import paths
from helpers.evaluation.model_id import ORIGINAL, ModelId
from helpers.evaluation.record import Record
from helpers.evaluation.records import Records
from helpers.profiles import Profile, Run
from helpers.report import manifest
from helpers.report.cli import command
from helpers.report.compare import compare
from helpers.report.output import Output
from helpers.report.pairs import pair_up

PLACE = "03_attacks", "digits"
MEMBER = ModelId(kind="member", member=3)
VOTE = ModelId(
    kind="ensemble", n_members=10, combine="majority", retrained_on="bim", regenerate="batch"
)


class Made:
    """A build written without running anything."""

    def __init__(self, folder, seed=0, digest="ab12", n_test=200, place=PLACE, **parameters):
        self.folder = folder
        self.records = Records(folder, *place, {"seed": seed})
        run = Run(*place, {"seed": seed, "n_test": n_test, **parameters})
        data = SimpleNamespace(
            name=place[1], label=place[1], status="generated", digest=digest,
            y_train=range(1000), y_test=range(n_test),
        )  # fmt: skip
        self.records.data_set(data)
        self.records.write()
        content = manifest.start(Profile("quick", "made up", (run,)))
        content["status"] = "done"
        content["datasets"] = [{"name": place[1], "status": "generated"}]
        content["runs"][run.slug] = manifest.run_entry(run, "done")
        other = Run("08_what_helps", "digits", {"steps": seed})
        content["runs"][other.slug] = manifest.run_entry(other, "done" if seed % 2 else "not built")
        manifest.write(Output(folder), content)

    def accuracy(
        self,
        n_correct,
        n=200,
        model=ORIGINAL,
        attack="fgsm",
        made_on=ORIGINAL,
        measures=None,
        **about,
    ):
        self.records.accuracy(
            np.arange(n) < n_correct, model=model, attack=attack, made_on=made_on, parameters=about,
            **(measures or {}),
        )  # fmt: skip
        self.records.write()
        return self


@pytest.fixture
def two(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)

    def make(first=None, second=None):
        return (
            Made(tmp_path / "build" / "one", **(first or {})),
            Made(tmp_path / "build" / "two", **(second or {})),
        )

    return make


def rows_of(a: Made, b: Made) -> list[dict[str, str]]:
    compare(a.folder, b.folder)
    path = paths.PROJECT / "build" / f"compare-{a.folder.name}-{b.folder.name}.csv"
    return list(csv.DictReader(io.StringIO(path.read_text())))


def line_with(text: str, *words: str) -> str:
    (line,) = [line for line in text.splitlines() if all(word in line for word in words)]
    return line


# What is said


def test_equal_builds_are_within_everywhere(two):
    a, b = two()
    for build in (a, b):
        build.accuracy(150, epsilon=0.1).accuracy(100, attack="bim", epsilon=0.1, steps=5)
    text = compare(a.folder, b.folder)
    assert "2 shared records (0 only in a, 0 only in b): 2 accuracies, 0 other numbers" in text
    assert "2 within, 0 apart" in text
    assert "2 are compared image by image" in text
    assert "ACCURACIES THAT ARE APART" not in text
    assert "+0.0 [-1.0, +1.0]  within" in text
    assert "Parameters of the runs that differ" not in text
    assert text.endswith(f"Table: {paths.PROJECT / 'build' / 'compare-one-two.csv'}")


def test_the_heading_says_what_the_builds_are(two):
    a, b = two({"seed": 3, "epochs": 5}, {"seed": 4, "epochs": 8})
    a.accuracy(150)
    b.accuracy(150)
    text = compare(a.folder, b.folder)
    started = json.loads((a.folder / "manifest.json").read_text())["started"]
    assert f"a: {a.folder}" in text
    assert f"started {started[:10]} {started[11:16]}, done, seed 3" in text
    assert "done, seed 4" in text
    assert "data: digits generated" in text
    assert "epochs 5 | 8: 03_attacks:digits" in text
    assert "steps" not in text  # of a run that one of them did not make
    assert "seed 3 | 4" not in text


# Of 200 images, 150 and 140 correct: 10 lost on the same images are apart, but not on other ones.
@pytest.mark.parametrize(
    ("digest", "n_correct", "test", "verdict"),
    [
        ("ab12", 140, "paired", "apart"),
        ("ab12", 148, "paired", "within"),
        ("cd34", 140, "unpaired", "within"),
        ("cd34", 100, "unpaired", "apart"),
    ],
)
def test_verdict_is_paired_on_the_same_images_only(two, digest, n_correct, test, verdict):
    a, b = two(None, {"digest": digest})
    a.accuracy(150, epsilon=0.1)
    b.accuracy(n_correct, epsilon=0.1)
    (row,) = rows_of(a, b)
    assert (row["test"], row["verdict"]) == (test, verdict)
    assert float(row["difference"]) == pytest.approx((n_correct - 150) / 2)
    assert float(row["low"]) < float(row["difference"]) < float(row["high"])
    assert (float(row["high"]) < 0) == (verdict == "apart")
    text = compare(a.folder, b.folder)
    assert f"{int(verdict == 'within')} within, {int(verdict == 'apart')} apart" in text
    assert ("ACCURACIES THAT ARE APART" in text) == (verdict == "apart")


@pytest.mark.parametrize(("seed", "test"), [(0, "paired"), (1, "unpaired")])
def test_a_part_of_the_images_drawn_by_another_seed_is_not_paired(two, seed, test):
    a, b = two({"seed": 0}, {"seed": seed})
    for build in (a, b):
        build.accuracy(150, epsilon=0.1).accuracy(5, n=20, attack="lbfgs", c_steps=4)
    whole, part = rows_of(a, b)
    assert whole["test"] == "paired"
    assert part["attack"] == "lbfgs"
    assert part["test"] == test


def test_another_number_of_images_is_shown_and_not_paired(two):
    a, b = two({"n_test": 200}, {"n_test": 400})
    a.accuracy(150, epsilon=0.1)
    b.accuracy(300, n=400, epsilon=0.1)
    text = compare(a.folder, b.folder)
    assert "200 | 400" in line_with(text, "original model, FGSM")
    assert "n_test 200 | 400: 03_attacks:digits" in text
    assert "0 are compared image by image" in text


def test_other_numbers_have_a_difference_and_no_verdict(two):
    a, b = two()
    for build, l2 in ((a, 2.0), (b, 2.5)):
        build.accuracy(150, epsilon=0.1, measures={"l2": l2, "success": 1.0})
        values = {"l2_mean": l2, "seconds": l2, "loss": [l2], "held": True, "none": None}
        build.records.add("distortion", model=ORIGINAL, attack="fgsm", values=values)
        build.records.write()
    rows = rows_of(a, b)
    assert [row["value"] for row in rows] == ["accuracy", "l2", "success", "l2_mean"]
    mean = rows[-1]
    assert (mean["a"], mean["b"], mean["difference"]) == ("2.0", "2.5", "0.5")
    assert mean["verdict"] == mean["low"] == mean["unit"] == ""
    text = compare(a.folder, b.folder)
    assert line_with(text, "distortion, original model, FGSM: l2_mean").split()[-3:] == [
        "2",
        "2.5",
        "+0.5",
    ]
    assert "original model, FGSM, epsilon 0.1: l2 " in text
    assert "Other numbers that are equal: 1." in text


def test_the_csv_holds_what_was_measured(two):
    a, b = two()
    about = {"attack": "bim", "made_on": MEMBER, "epsilon": 0.1}
    a.accuracy(150, **about, steps=5, seed=7)
    b.accuracy(140, **about, steps=10, seed=8)
    (row,) = rows_of(a, b)
    assert (row["chapter"], row["dataset"]) == PLACE
    assert (row["model"], row["attack"], row["made_on"]) == ("original model", "bim", "member 3")
    assert json.loads(row["parameters"]) == {"epsilon": 0.1}
    assert row["differing"] == "steps 5 | 10"
    assert (float(row["a"]), float(row["b"]), row["n_a"]) == (75.0, 70.0, "200")
    assert float(row["low_a"]) == pytest.approx(68.57, abs=0.01)  # Wilson
    assert float(row["high_a"]) == pytest.approx(80.49, abs=0.01)


def test_lines_fit_into_120_columns(two):
    place = {"place": ("04_ensembles", "digits"), "n_test": 20_000}
    a, b = two({**place, "epsilon_grid": list(range(60))}, {**place, "epsilon_grid": [0]})
    for build, steps in ((a, 10), (b, 20)):
        build.accuracy(
            150 * steps, n=20_000, model=VOTE, attack="bim", made_on=MEMBER, epsilon=0.1,
            alpha=0.1 / steps, steps=steps, rung="another ensemble, worst", measures={"l2": steps},
        )  # fmt: skip
    lines = compare(a.folder, b.folder).splitlines()
    assert max(len(line) for line in lines if not line.startswith(("a:", "b:", "Table:"))) <= 120
    assert any("steps 10 | 20" in line for line in lines)


# Which records belong together


def record(attack="fgsm", seed=0, model=ORIGINAL, made_on=ORIGINAL, **parameters) -> Record:
    return Record(*PLACE, "accuracy", model, attack, made_on, parameters, seed)


def pairs_of(a, b) -> list[tuple[dict, dict]]:
    return [(x.parameters, y.parameters) for x, y in pair_up(a, b)]


def test_equal_parameters_come_first():
    a = [record(epsilon=0.1), record(epsilon=0.2)]
    b = [record(epsilon=0.2), record(epsilon=0.3)]
    assert pairs_of(a, b) == [
        ({"epsilon": 0.1}, {"epsilon": 0.3}),
        ({"epsilon": 0.2}, {"epsilon": 0.2}),
    ]


def test_several_candidates_are_not_guessed_from():
    a = [record(epsilon=0.1), record(epsilon=0.2)]
    assert pair_up(a, [record(epsilon=0.3)]) == []
    assert pair_up([record(epsilon=0.3)], a) == []


def test_rounding_and_seeds_do_not_part_records():
    assert len(pair_up([record(alpha=0.1 * 0.25, seed=0)], [record(alpha=0.025, seed=1)])) == 1
    a = [record("noise", epsilon=e, seed=0) for e in (0.1, 0.2)]
    b = [record("noise", epsilon=e, seed=1) for e in (0.1, 0.2)]
    noisy = [
        [
            Record(*PLACE, "accuracy", ORIGINAL, "noise", None, {"epsilon": e, "seed": s}, s)
            for e in (0.1, 0.2)
        ]
        for s in (0, 1)
    ]
    for first, second in ((a, b), noisy):
        found = pairs_of(first, second)
        assert [(x["epsilon"], y["epsilon"]) for x, y in found] == [(0.1, 0.1), (0.2, 0.2)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"made_on": MEMBER}, {"made_on": ORIGINAL}),
        ({"made_on": MEMBER}, {"made_on": replace(MEMBER, member=6)}),
        ({"model": VOTE}, {"model": replace(VOTE, combine="probabilities")}),
        ({"model": VOTE}, {"model": replace(VOTE, n_members=5)}),
        ({"model": VOTE}, {"model": replace(VOTE, recipe="sigma=0")}),
        ({"rung": "itself"}, {"rung": "another ensemble"}),
        ({"sweep": "epsilon", "epsilon": 0.3}, {"sweep": "epsilon", "epsilon": 0.4}),
        ({"sweep": "epsilon", "epsilon": 0.3}, {"epsilon": 0.3}),
    ],
)
def test_different_measurements_are_not_paired(one, other):
    assert pair_up([record(**one)], [record(**other)]) == []
    assert len(pair_up([record(**one)], [record(**one)])) == 1


def test_settings_that_differ_are_shown(two):
    a, b = two()
    a.accuracy(150, attack="bim", epsilon=0.1, alpha=0.025, steps=5)
    b.accuracy(150, attack="bim", epsilon=0.2, alpha=0.025, steps=5)
    a.accuracy(150, attack="pgd", epsilon=0.1)
    b.accuracy(150, attack="pgd", epsilon=0.1, restarts=2)
    assert [row["differing"] for row in rows_of(a, b)] == ["epsilon 0.1 | 0.2", "restarts - | 2"]
    line_with(compare(a.folder, b.folder), "original model, BIM, epsilon 0.1 | 0.2  ", "within")


# What is refused


def refused(*arguments) -> str:
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert done.exit_code == 2, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return " ".join(done.stderr.split())


def test_the_command_line_prints_the_table_and_exits_0(two, tmp_path):
    a, b = two()
    a.accuracy(150)
    b.accuracy(140)
    done = CliRunner().invoke(command, ["--compare", str(a.folder), str(b.folder)])
    assert done.exit_code == 0, done.output
    assert "1 apart" in done.stdout
    target = tmp_path / "new" / "folder"
    elsewhere = ["--compare", str(a.folder), str(b.folder), "--output", str(target)]
    done = CliRunner().invoke(command, elsewhere)
    assert done.exit_code == 0, done.output
    assert (target / "compare-one-two.csv").read_text().startswith("chapter,dataset,quantity,model")


def test_folders_that_are_no_builds_are_refused(two, tmp_path):
    a, b = two()
    a.accuracy(150)
    (tmp_path / "file").touch()
    for name in ("empty", "another"):
        (tmp_path / name).mkdir()
    (tmp_path / "another" / "manifest.json").write_text("{}")
    there = "give the folders of two builds, such as build/one, build/two"
    for name, words in (
        ("nowhere", "no such folder"),
        ("file", "a folder was expected, not a file"),
        ("empty", "no build wrote this folder"),
        ("another", "no build wrote this folder"),
    ):
        text = refused("--compare", a.folder, tmp_path / name)
        assert f"--compare {tmp_path / name}: {words}" in text
        assert there in text
    assert "this build (done) holds no records" in refused("--compare", a.folder, b.folder)
    assert "both are the same folder" in refused("--compare", a.folder, a.folder)


def test_builds_without_a_shared_record_are_refused(two):
    a, b = two(None, {"place": ("02_models", "shapes")})
    a.accuracy(150)
    b.accuracy(150)
    text = refused("--compare", a.folder, b.folder)
    assert "share no record" in text
    assert f"{a.folder} has 03_attacks (digits); {b.folder} has 02_models (shapes)" in text
    assert not list(a.folder.parent.glob("*.csv"))


@pytest.mark.parametrize("pattern", ["*.csv", "*.npz"])
def test_damaged_records_are_refused(two, pattern):
    a, b = two()
    a.accuracy(150)
    b.accuracy(150)
    (path,) = b.folder.glob(f"records/{pattern}")
    path.write_text('{"half')
    text = refused("--compare", a.folder, b.folder)
    assert "are damaged" in text
    assert path.stem in text
    assert "run its chapter again" in text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["third"], "'third'"),
        (["--fresh"], "--fresh"),
        (["--list"], "--list"),
        (["--set", "a=1"], "--set"),
        (["--data-dir", "."], "--data-dir"),
    ],
)
def test_other_options_do_not_combine_with_compare(two, arguments, named):
    a, b = two()
    text = refused("--compare", a.folder, b.folder, *arguments)
    assert f"--compare does not combine with {named}: it takes exactly two folders" in text


def test_compare_takes_two_folders(two):
    a, _ = two()
    assert "'--compare' requires 2 arguments" in refused("--compare", a.folder)


def test_a_table_that_cannot_be_written_is_refused(two, tmp_path):
    a, b = two()
    a.accuracy(150)
    b.accuracy(150)
    (tmp_path / "file").touch()
    text = refused("--compare", a.folder, b.folder, "--output", tmp_path / "file")
    assert f"--output {tmp_path / 'file'} cannot be written" in text
    assert "choose a folder of your own" in text
