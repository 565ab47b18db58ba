import numpy as np
import pytest
import yaml

from helpers import paths
from helpers.parameters import CHAPTERS, ParameterError
from helpers.profiles import (
    load_profile,
    notebook_defaults,
    notebook_parameters,
    parse_set,
    profile_names,
)

ATTACKS = notebook_defaults("03_attacks")


@pytest.mark.parametrize("chapter", [name for name in CHAPTERS if name != "08_findings"])
def test_the_notebooks_own_values_are_the_quick_profiles(chapter):
    runs = [run for run in load_profile("quick").runs if run.chapter == chapter]
    assert notebook_defaults(chapter) == runs[0].parameters


@pytest.mark.parametrize("name", profile_names())
def test_profiles_are_valid(name):
    profile = load_profile(name)
    assert profile.runs
    assert {run.chapter for run in profile.runs} == set(CHAPTERS)


def test_a_notebook_finds_what_papermill_injected():
    namespace = {**ATTACKS, "In": [], "_i": "x", "np": np, "notebook_parameters": len}
    assert notebook_parameters("03_attacks", namespace).epsilon == ATTACKS["epsilon"]
    with pytest.raises(ParameterError, match="unknown parameter 'epsilonn'"):
        notebook_parameters("03_attacks", namespace | {"epsilonn": 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epsilon=0.1", 0.1),
        ("rate=1e-3", 0.001),
        ("dataset=mnist", "mnist"),
        ("n=[1, 2]", [1, 2]),
        ("flag=true", True),
        ("path=a=b", "a=b"),
    ],
)
def test_set_values_are_read_as_yaml(text, expected):
    assert parse_set(text) == (text.split("=")[0], expected)


@pytest.mark.parametrize("text", ["epsilon", "=3", ""])
def test_malformed_set_is_refused(text):
    with pytest.raises(ParameterError, match="name=value"):
        parse_set(text)


def test_overrides_reach_every_chapter_that_has_them():
    runs = load_profile("quick", overrides={"epsilon": 0.25}).runs
    assert {run.parameters["epsilon"] for run in runs if "epsilon" in run.parameters} == {0.25}
    assert "epsilon" not in next(run for run in runs if run.chapter == "01_data").parameters


def test_overrides_that_nothing_has_are_refused():
    with pytest.raises(ParameterError, match=r"'epsilonn' .did you mean 'epsilon'"):
        load_profile("quick", overrides={"epsilonn": 1})
    with pytest.raises(ParameterError, match="epsilon = -1"):
        load_profile("quick", overrides={"epsilon": -1})


def test_runs_are_chosen_by_name_or_chapter():
    names = [
        run.name for run in load_profile("quick", only=["03_attacks", "02_models:shapes"]).runs
    ]
    assert names == ["03_attacks:digits", "02_models:shapes", "03_attacks:shapes"]
    with pytest.raises(ParameterError, match="no run '03_attacks:mnist'"):
        load_profile("quick", only=["03_attacks:mnist"])


def test_an_unknown_profile_is_named():
    with pytest.raises(ParameterError, match="did you mean 'quick'"):
        load_profile("quik")


def edited(tmp_path, monkeypatch, **changes):
    content = yaml.safe_load((paths.PROFILES / "quick.yaml").read_text())
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setattr(paths, "PROFILES", tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"common__epsilonn": 1}, "common: no chapter .* 'epsilonn'"),
        ({"datasets__digits__stepss": 1}, "datasets.digits: no chapter .* 'stepss'"),
        ({"runs": ["03_attacks"]}, "needs a data set"),
        ({"runs": ["01_data:digits"]}, "takes no data set"),
        ({"runs": ["09_more"]}, "no chapter '09_more'"),
        ({"runs": ["03_attacks:my/images.npz"]}, "names a file; a profile names data sets"),
        ({"extra": 1}, "exactly the entries"),
    ],
)
def test_a_wrong_profile_is_refused(tmp_path, monkeypatch, changes, message):
    edited(tmp_path, monkeypatch, **changes)
    with pytest.raises(ParameterError, match=message):
        load_profile("mine")
