import pytest

from helpers.models.networks import ARCHITECTURES
from helpers.parameters import ParameterError, validate
from helpers.paths import PROJECT, project_path
from helpers.profiles import load_profile, notebook_defaults
from helpers.rules import follow
from helpers.vocabulary import CHAPTERS, VOCABULARY, left_to_profile

ATTACKS = load_profile("quick", only=["03_attacks:digits"]).runs[0].parameters


def test_values_of_training_stand_where_models_are_first_trained():
    trained = {
        "epochs",
        "patience",
        "batch_size",
        "learning_rate",
        "validation_fraction",
        "augment",
        "decay",
    }
    for chapter in CHAPTERS:
        assert bool(trained & set(notebook_defaults(chapter))) == (chapter[1] in "26")
    assert {*left_to_profile("04_ensembles")} == trained | {"n_train", "width"}


BAD = [
    ({"epsilonn": 1}, "unknown parameter 'epsilonn' .did you mean 'epsilon'"),
    ({"zzz": 1}, "03_attacks has dataset, profile, model"),
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
    ({"epsilon_grid": [0.1, 0.2, 0.1]}, "0.1 stands there more than once; .*: 0.1, 0.2"),
    ({"epsilon_grid": "0,0.1,0.1"}, "0.1 stands there more than once"),
    ({"epsilon_grid": [0.2, 0.1]}, "from small to large, as the curves are drawn: 0.1, 0.2"),
    ({"steps": 10**9}, "steps = 1000000000 .*200,000,000 times the work of 5; up to 1,000 passes"),
    ({"epochs": 10**400}, "epochs = 10+ .*more must be allowed"),
    ({"epsilon_grid": [k / 200 for k in range(200)]}, "epsilon_grid with 200 values .*34 times"),
    ({"epsilon_grid": [0.1, 7]}, "less than or equal to 1"),
    ({"architecture": "lenet"}, "architecture = 'lenet': .*'table_2', 'table_3' or 'inception_v3'"),
    ({"model": "nowhere.keras"}, "model = 'nowhere.keras': .*there is no such file"),
    ({"model": "old.h5"}, r"expected a .keras file; .*\.h5"),
    ({"model": "notebooks"}, "expected a .keras file"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=lambda value: str(value)[:30])
def test_bad_parameters_are_refused_with_a_reason(change, message):
    with pytest.raises(ParameterError, match=message):
        validate("03_attacks", {**ATTACKS, **change}, usual=ATTACKS)


def test_a_model_of_ones_own_leaves_nothing_to_train(tmp_path):
    path = tmp_path / "mine.keras"
    path.touch()
    assert validate("03_attacks", {**ATTACKS, "model": str(path)}).model == str(path)
    with pytest.raises(ParameterError, match="leave one of the two out"):
        validate("03_attacks", {**ATTACKS, "model": str(path), "architecture": "table_2"})


def test_the_architectures_are_those_that_exist():
    assert VOCABULARY["architecture"].kind.__args__ == ("", *ARCHITECTURES)


def test_the_attacked_member_must_exist():
    values = load_profile("quick", only=["04_ensembles:digits"]).runs[0].parameters
    values = {**values, "member": 7}
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


def test_what_is_expensive_passes_if_allowed():
    values = {**ATTACKS, "steps": 10**6}
    with pytest.raises(ParameterError, match="-p allow_expensive True for a notebook"):
        validate("03_attacks", values)
    assert validate("03_attacks", {**values, "allow_expensive": True}).steps == 10**6


def test_the_papers_own_sizes_are_far_from_expensive():
    (run,) = load_profile("paper", only=["07_attacks_on_defences:cifar10"]).runs
    for name in ("n_members", "steps", "restarts", "outside_iterations"):
        assert VOCABULARY[name].dear >= 10 * run.parameters[name], name


def test_a_data_set_is_shown_once_and_with_noise():
    data = notebook_defaults("01_data")
    with pytest.raises(ParameterError, match="digits stands there more than once"):
        validate("01_data", {**data, "datasets": ["digits", "shapes", "digits"]})
    with pytest.raises(ParameterError, match="sigma = 0 leaves nothing to show"):
        validate("01_data", {**data, "sigma": 0})


STANDING = {"epsilon": 0.1, "alpha": 0.025, "n_members": 4, "member": 4}


@pytest.mark.parametrize(
    ("given", "followed"),
    [
        ({"epsilon": 0.02}, {"alpha": 0.005}),
        ({"epsilon": "0.2"}, {"alpha": 0.05}),
        ({"epsilon": 0.02, "alpha": 0.01}, {}),
        ({"alpha": 0.01}, {}),
        ({"epsilon": -1}, {}),
        ({"epsilon": "x"}, {}),
        ({"n_members": 3}, {"member": 3}),
        ({"n_members": 12}, {}),
        ({"n_members": 3, "member": 2}, {}),
        ({"n_members": None}, {}),
    ],
    ids=str,
)
def test_what_is_not_given_follows(given, followed):
    assert follow(STANDING, given) == STANDING | given | followed
