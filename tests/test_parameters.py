import pytest

from helpers.models import ARCHITECTURES
from helpers.parameters import CHAPTERS, VOCABULARY, ParameterError, taken, validate
from helpers.paths import PROJECT, project_path
from helpers.profiles import notebook_defaults

ATTACKS = notebook_defaults("03_attacks")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_notebooks_own_values_are_valid_and_complete(chapter):
    parameters = validate(chapter, notebook_defaults(chapter))
    assert set(parameters.model_dump()) == set(taken(chapter))


BAD = [
    ({"epsilonn": 1}, "unknown parameter 'epsilonn' .did you mean 'epsilon'"),
    ({"zzz": 1}, "03_attacks has dataset, model"),
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
    ({"model": "nowhere.keras"}, "model = 'nowhere.keras': there is no file /"),
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
    assert VOCABULARY["architecture"].kind.__args__ == ("", *ARCHITECTURES)


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


def test_relative_paths_start_at_the_project():
    assert project_path("data") == PROJECT / "data"
    assert str(project_path("/tmp/x")) == "/tmp/x"
