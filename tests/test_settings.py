import pytest
import yaml

from helpers import settings
from helpers.models import ARCHITECTURES
from helpers.settings import (
    CHAPTERS,
    ParameterError,
    load_profile,
    notebook_defaults,
    notebook_parameters,
    parse_set,
    profile_names,
    project_path,
    validate,
)

ATTACKS = notebook_defaults("03_attacks")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_notebooks_own_values_are_valid_and_complete(chapter):
    parameters = validate(chapter, notebook_defaults(chapter))
    assert set(parameters.model_dump()) == set(CHAPTERS[chapter].model_fields)


@pytest.mark.parametrize("chapter", [name for name in CHAPTERS if name != "08_findings"])
def test_the_notebooks_own_values_are_the_quick_profiles(chapter):
    runs = [run for run in load_profile("quick").runs if run.chapter == chapter]
    assert notebook_defaults(chapter) == runs[0].parameters


@pytest.mark.parametrize("name", profile_names())
def test_profiles_are_valid(name):
    profile = load_profile(name)
    assert profile.runs
    assert {run.chapter for run in profile.runs} == set(CHAPTERS)


BAD = [
    ({"epsilonn": 1}, "unknown parameter 'epsilonn' .did you mean 'epsilon'"),
    ({"zzz": 1}, "03_attacks has data_dir"),
    ({"epsilon": -1}, r"epsilon = -1: .*greater than 0"),
    ({"epsilon": "x"}, "epsilon = 'x': .*valid number"),
    ({"epsilon": float("nan")}, "epsilon = nan"),
    ({"epsilon": True}, "a number is expected"),
    ({"alpha": 0.5}, "alpha = 0.5 is larger than epsilon = 0.1"),
    ({"epochs": 2.5}, "epochs = 2.5"),
    ({"epochs": 0}, "epochs = 0"),
    ({"n_train": -1}, "n_train = -1"),
    ({"validation_fraction": 1.0}, "validation_fraction = 1.0"),
    ({"epsilon_grid": []}, r"epsilon_grid = \[\]"),
    ({"epsilon_grid": [0.1, 7]}, "less than or equal to 1"),
    ({"architecture": "lenet"}, "architecture = 'lenet': .*'table_2', 'table_3' or 'inception_v3'"),
    (
        {"model": "nowhere.keras"},
        "model = 'nowhere.keras': /.*/nowhere.keras: there is no such file",
    ),
    ({"model": "old.h5"}, r"expected a .keras file; .*\.h5"),
    ({"model": "notebooks"}, "expected a .keras file"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=lambda value: str(value)[:30])
def test_bad_parameters_are_refused_with_a_reason(change, message):
    with pytest.raises(ParameterError, match=message):
        validate("03_attacks", {**ATTACKS, **change})


def test_a_model_of_ones_own_leaves_nothing_to_train(tmp_path):
    path = tmp_path / "mine.keras"
    path.touch()
    assert validate("03_attacks", {**ATTACKS, "model": str(path)}).model == str(path)
    with pytest.raises(ParameterError, match="leave one of the two out"):
        validate("03_attacks", {**ATTACKS, "model": str(path), "architecture": "table_2"})


def test_the_architectures_are_those_that_exist():
    choices = CHAPTERS["02_models"].model_fields["architecture"].annotation.__args__
    assert choices == ("", *ARCHITECTURES)
    assert CHAPTERS["06_tiny_imagenet"].architecture in ARCHITECTURES


def test_a_missing_parameter_is_named():
    values = {key: value for key, value in ATTACKS.items() if key != "steps"}
    with pytest.raises(ParameterError, match="'steps' is missing"):
        validate("03_attacks", values)


def test_the_attacked_member_must_exist():
    values = {**notebook_defaults("04_ensembles"), "member": 7}
    with pytest.raises(ParameterError, match="n_members = 4"):
        validate("04_ensembles", values)


def test_an_unknown_chapter_is_named():
    with pytest.raises(ParameterError, match="did you mean '03_attacks'"):
        validate("03_attack", {})


def test_strings_from_the_command_line_become_values():
    given = {"epsilon": "0.2", "steps": "7", "epsilon_grid": "0, 0.1,0.2"}
    parameters = validate("03_attacks", {**ATTACKS, **given})
    assert (parameters.epsilon, parameters.steps) == (0.2, 7)
    assert parameters.epsilon_grid == [0.0, 0.1, 0.2]


def test_a_notebook_finds_what_papermill_injected():
    namespace = {**ATTACKS, "In": [], "_i": "x", "np": settings, "notebook_parameters": len}
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
    content = yaml.safe_load((settings.PROFILES / "quick.yaml").read_text())
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setattr(settings, "PROFILES", tmp_path)


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


def test_relative_paths_start_at_the_project():
    assert project_path("data") == settings.PROJECT / "data"
    assert str(project_path("/tmp/x")) == "/tmp/x"
