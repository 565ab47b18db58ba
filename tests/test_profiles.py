import numpy as np
import pytest
import yaml

from helpers import paths
from helpers.parameters import ParameterError
from helpers.profiles import (
    load_profile,
    notebook_defaults,
    notebook_parameters,
    parse_set,
    profile_names,
)
from helpers.vocabulary import CHAPTERS, left_to_profile

ATTACKS = notebook_defaults("03_attacks")


@pytest.mark.parametrize("chapter", [name for name in CHAPTERS if name != "09_findings"])
def test_the_notebooks_own_values_are_the_quick_profiles(chapter):
    runs = [run for run in load_profile("quick").runs if run.chapter == chapter]
    cell = notebook_defaults(chapter)
    assert cell == {name: runs[0].parameters[name] for name in cell}
    assert notebook_parameters(chapter, cell).model_dump() == runs[0].parameters


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


def test_runs_are_chosen_by_name_or_chapter():
    everything = [run.name for run in load_profile("quick").runs]
    only = load_profile("quick", only=["03_attacks", "02_models:shapes"]).runs
    expected = [name for name in everything if name == "02_models:shapes" or "03_attacks:" in name]
    assert [run.name for run in only] == expected
    assert len(expected) > 2


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
        ({"runs": ["10_more"]}, "no chapter '10_more'"),
        ({"runs": ["03_attacks:my/images.npz"]}, "names a file; a profile names data sets"),
        ({"extra": 1}, "exactly the entries"),
    ],
)
def test_a_wrong_profile_is_refused(tmp_path, monkeypatch, changes, message):
    edited(tmp_path, monkeypatch, **changes)
    with pytest.raises(ParameterError, match=message):
        load_profile("mine")


def test_overrides_take_along_what_depends_on_them():
    runs = {
        run.name: run.parameters for run in load_profile("quick", overrides={"epsilon": 0.02}).runs
    }
    assert runs["03_attacks:digits"]["alpha"] == 0.005  # a quarter, as in the profile
    assert runs["03_attacks:shapes"]["alpha"] == 0.005
    (run,) = load_profile("quick", overrides={"n_members": 3}, only=["04_ensembles:digits"]).runs
    assert run.parameters["member"] == 3


def by_hand(chapter, papermill=(), **edits):
    """Validate what a notebook's kernel holds after edits of its cell and papermill's `-p`."""
    cell = "# Parameters\n" + "".join(f"{name} = {value!r}\n" for name, value in papermill)
    history = ["", "epsilon: float = 0.1", "%matplotlib", cell] if papermill else []
    namespace = notebook_defaults(chapter) | edits | dict(papermill)
    return notebook_parameters(chapter, namespace | {"In": history})


@pytest.mark.parametrize("way", ["papermill", "edit"])
def test_a_notebook_by_itself_follows_what_was_set(way, capsys):
    def run(chapter, **given):
        return by_hand(chapter, given.items()) if way == "papermill" else by_hand(chapter, **given)

    assert run("03_attacks", epsilon=0.02).alpha == 0.005
    assert capsys.readouterr().out == "Not set, and so as fits epsilon = 0.02: alpha = 0.005\n"
    assert run("04_ensembles", n_members=3).member == 3
    assert capsys.readouterr().out == "Not set, and so as fits n_members = 3: member = 3\n"
    assert run("03_attacks", steps=7).alpha == 0.025
    assert capsys.readouterr().out == ""


def test_a_data_set_brings_its_own_values_unless_told_otherwise(capsys):
    mnist = by_hand("03_attacks", {"dataset": "mnist"}.items())
    expected = load_profile("smoke-real", only=["03_attacks:mnist"]).runs[0].parameters
    assert mnist.model_dump() == expected
    told = capsys.readouterr().out
    assert told.startswith("Not set, and so as fits dataset = 'mnist' (profiles/smoke-real.yaml): ")
    assert "epsilon = 0.15" in told
    given = {"dataset": "mnist", "epsilon": 0.1, "epochs": 4}  # as the notebook has them for digits
    mnist = by_hand("03_attacks", given.items())
    assert (mnist.epsilon, mnist.epochs, mnist.batch_size) == (0.1, 4, 128)
    assert "epochs = 4 (3)" in capsys.readouterr().out
    assert mnist.alpha == pytest.approx(0.1 * expected["alpha"] / expected["epsilon"])
    assert by_hand("04_ensembles", dataset="tiny_imagenet").member == 2  # the section has none


def test_models_are_trained_as_the_profile_says_that_a_notebook_names(capsys):
    (run,) = load_profile("standard", only=["04_ensembles:cifar10"]).runs
    given = {"profile": "standard", "dataset": "cifar10"}
    assert by_hand("04_ensembles", given.items()).model_dump() == run.parameters
    assert by_hand("04_ensembles", **given).model_dump() == run.parameters
    told = capsys.readouterr().out
    assert f"epochs = {run.parameters['epochs']}" in told
    assert "Other models" not in told


def test_a_profile_without_the_data_set_is_refused():
    with pytest.raises(
        ParameterError, match=r"'standard' says nothing of dataset = 'digits'.*mnist"
    ):
        by_hand("04_ensembles", profile="standard")
    with pytest.raises(ParameterError, match="did you mean 'quick'"):
        by_hand("04_ensembles", profile="quik")


@pytest.mark.parametrize("chapter", ["02_models", "03_attacks", "08_what_helps"])
@pytest.mark.parametrize(("name", "value"), [("epochs", 3), ("n_train", 500), ("seed", 1)])
def test_another_original_model_is_never_trained_in_silence(chapter, name, value, capsys):
    assert getattr(by_hand(chapter, {name: value}.items()), name) == value
    told = capsys.readouterr().out
    assert told.startswith("Other models than those of the profile quick")
    assert f" {name} = {value} (" in told


def test_what_a_cell_does_not_hold_is_the_same_in_all_chapters():
    first = by_hand("02_models")
    for chapter in ("03_attacks", "04_ensembles", "05_retraining", "07_attacks_on_defences"):
        later = by_hand(chapter)
        for name in left_to_profile(chapter):
            assert getattr(later, name) == getattr(first, name)


def test_a_notebook_runs_once_more_in_one_kernel():
    cell, chapter = "steps: int = 5  # steps", 'chapter = Chapter("03_attacks", globals())'
    own = {"sentence": "as the first run said", "found": [1], "counts": {}}
    again = {"In": ["", cell, chapter, "sentence = ''", "%time found = [1]", cell, chapter]}
    assert notebook_parameters("03_attacks", ATTACKS | own | again | {"steps": 7}).steps == 7
    for wrong in ("stepz: int = 7", "steps: int = 5\nstepz = 7", "# Parameters\nstepz = 7"):
        history = {"In": [*again["In"][:-2], wrong, chapter]}
        with pytest.raises(ParameterError, match="unknown parameter 'stepz'"):
            notebook_parameters("03_attacks", ATTACKS | own | {"stepz": 7} | history)
    # Once its line is put right, a mistake is forgotten.
    again["In"][1:1] = ["stepz: int = 7", chapter]
    assert notebook_parameters("03_attacks", ATTACKS | own | {"stepz": 7} | again)


def test_a_parameter_whose_line_was_deleted_is_missing():
    namespace = {name: value for name, value in ATTACKS.items() if name != "steps"}
    with pytest.raises(ParameterError, match="'steps' is missing"):
        notebook_parameters("03_attacks", namespace)


def test_a_file_of_ones_own_gets_the_reports_network_and_the_values_as_they_stand(capsys):
    own = by_hand("02_models", {"dataset": "my/images.npz"}.items())
    expected = notebook_defaults("02_models") | {"dataset": "my/images.npz", "width": 1.0}
    assert own.model_dump() == expected
    assert "width = 1.0" in capsys.readouterr().out
    assert by_hand("03_attacks", {"dataset": "my/images.npz", "width": 0.5}.items()).width == 0.5


@pytest.mark.parametrize("name", profile_names())
def test_a_build_runs_with_exactly_its_own_parameters(name, capsys):
    runs = load_profile(name).runs
    assert {run.chapter for run in runs} == set(CHAPTERS)
    for run in runs:
        parameters = by_hand(run.chapter, run.parameters.items())
        assert parameters.model_dump() == run.parameters
    assert capsys.readouterr().out == ""
