"""The command line and the set-up: what is refused, with which words and which exit code."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from helpers import paths
from helpers.parameters import ParameterError
from helpers.report.cli import spread
from helpers.report.output import Output, locked

PROJECT = Path(__file__).resolve().parents[1]
SETUP = PROJECT / "scripts" / "setup.sh"

REFUSED = {
    "profile": (["qiuck"], ["no profile 'qiuck'", "did you mean 'quick'", "pair, quick"]),
    "run": (["--only", "03_attacks"], ["no run '03_attacks'", "02_models:digits"]),
    "run-data": (["--only", "02_models:mnist"], ["no run '02_models:mnist'", "02_models:shapes"]),
    "parameter": (["--set", "sise=3"], ["'sise'", "did you mean 'size'", "seed"]),
    "type": (["--set", "size=big"], ["size = 'big'", "integer"]),
    "range": (["--set", "size=0"], ["size = 0", "greater than or equal to 1"]),
    "choice": (["--set", "mode=bad"], ["mode = 'bad'", "'good'"]),
    "second": (["--set", "size=3", "seed=x"], ["seed = 'x'"]),
    "no-value": (["--set", "size"], ["expected name=value"]),
    "twice": (["--set", "size=3", "--set", "size=4"], ["size is given twice, as 3 and as 4"]),
    "twice-at-once": (["--set", "size=3", "size=3"], ["size is given twice"]),
    "expensive": (
        ["--set", "size=10000"],
        ["size = 10000 (how many): roughly 5,000 times the work of 2", "--allow-expensive"],
    ),
    "no-workers": (["--workers", "0"], ["0 is not in the range x>=1"]),
    "both": (["--workers", "2", "--cluster", "127.0.0.1:1"], ["give one"]),
    "network": (["--cluster", "tcp://10.0.0.5:8786"], ["TLS", "--insecure-cluster"]),
    "no-file": (["--cluster", "scheduler.json"], ["scheduler.json is no file of a Dask scheduler"]),
    "flag": (["--set", "allow_expensive=true"], ["use --allow-expensive"]),
    "output-dir": (["--set", "output_dir=x"], ["use --output DIR"]),
    "store-dir": (["--set", "store_dir=x"], ["use --output DIR"]),
    "data-dir": (["--set", "data_dir=x"], ["use --data-dir DIR"]),
    "dataset": (["--set", "dataset=mnist"], ["use --only"]),
    "no-data": (["--data-dir", "nowhere"], ["no such folder", "cifar-10-batches-bin"]),
    "data-file": (["--data-dir", "README.md"], ["a folder was expected"]),
    "file": (["--output", "README.md"], ["a folder was expected", "README.md is a file"]),
    "below-file": (["--output", "README.md/x"], ["README.md is a file"]),
    "project": (["--output", "."], ["holds the project itself", "build/quick"]),
    "above": (["--output", ".."], ["holds the project itself"]),
    "sources": (["--output", "notebooks/out"], ["notebooks/ holds the project's sources"]),
    "published": (["--output", "reports/standard"], ["reports/ holds the project's sources"]),
    "workflows": (["--output", ".github/out"], [".github/ holds"]),
    "checks": (["--output", ".ci"], [".ci/ holds"]),
    "no-user": (["--output", "~nosuchuser/x"], ["--output ~nosuchuser/x", "build/mine"]),
    "long-name": (["--output", "x" * 300], ["--output xxx", "too long"]),
    "option": (["--frsh"], ["No such option", "--fresh"]),
    "two-profiles": (["quick", "pair"], ["unexpected extra argument"]),
    "no-argument": (["--output"], ["requires an argument"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_arguments_exit_2_before_anything_runs(sandbox, case):
    arguments, words = REFUSED[case]
    done = sandbox.run(*arguments)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not (sandbox.root / "build").exists()
    assert not (sandbox.root / "notebooks" / "out").exists()


def test_what_git_tracks_is_no_output_folder(sandbox):
    (sandbox.root / "thesis").mkdir()
    (sandbox.root / "thesis" / "text.md").write_text("mine")
    (sandbox.root / "link").symlink_to("thesis")
    for command in (["init", "-q"], ["add", "thesis"]):
        subprocess.run(["git", "-C", str(sandbox.root), *command], check=True)
    for folder in ("thesis", "thesis/out", "link/out"):
        done = sandbox.run("--output", folder, "--list")
        assert done.returncode == 2
        assert "thesis/ holds the project's sources" in done.stderr
    assert sandbox.run("--output", "build/thesis", "--list").returncode == 0


@pytest.mark.parametrize("arguments", [["--list"], []])
@pytest.mark.parametrize(
    ("target", "words"), [("nowhere", "leads nowhere"), ("train", "leads back to itself")]
)
def test_a_broken_link_among_the_data_is_said_in_a_sentence(sandbox, arguments, target, words):
    profile = sandbox.root / "profiles" / "quick.yaml"
    profile.write_text(profile.read_text().replace("digits", "mnist"))
    folder = sandbox.root / "data" / "mnist"
    folder.mkdir()
    (folder / "train").symlink_to(target)
    done = sandbox.run(*arguments)
    assert done.returncode == 2
    assert f"Error: {folder / 'train'}: that is a link that {words}; mend or remove" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("given", ["--data-dir {}", "--output {}", "--output {}/x"])
def test_a_link_that_leads_back_to_itself_is_refused(sandbox, given):
    link = sandbox.root / "link"
    link.symlink_to(link)
    done = sandbox.run(*given.format(link).split())
    assert done.returncode == 2
    assert str(link) in done.stderr
    assert "Traceback" not in done.stderr


def test_data_that_may_not_be_read_are_refused(sandbox):
    if os.geteuid() == 0:
        pytest.skip("the superuser may read everything")
    folder = sandbox.root / "data"
    folder.chmod(0)
    done = sandbox.run("--data-dir", str(folder), "--list")
    folder.chmod(0o755)
    assert done.returncode == 2
    assert "its permissions" in done.stderr


def test_unwritable_output_is_refused(sandbox):
    if not Path("/proc").is_dir():
        pytest.skip("/proc is the one folder that refuses even the superuser")
    done = sandbox.run("--output", "/proc/report")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_foreign_folder_is_refused_and_left_alone(sandbox):
    foreign = sandbox.root / "mine"
    (foreign / "notebooks").mkdir(parents=True)
    (foreign / "notebooks" / "thesis.ipynb").write_text("{}")
    for arguments in ([], ["--fresh"]):
        done = sandbox.run("--output", "mine", *arguments)
        assert done.returncode == 2
        assert "holds notebooks, which no build wrote" in done.stderr
    assert [path.name for path in foreign.rglob("*")] == ["notebooks", "thesis.ipynb"]


def test_other_profiles_build_is_refused(built):
    done = built.run("pair", "--output", "build/quick")
    assert done.returncode == 2
    assert "holds a build of the profile 'quick'" in done.stderr
    assert "--fresh" in done.stderr


def test_second_build_in_the_same_folder_is_refused(sandbox):
    sandbox.output.mkdir(parents=True)
    with FileLock(sandbox.output / ".lock"):
        done = sandbox.run()
    assert done.returncode == 2
    assert "another build is running" in done.stderr


def test_kernel_that_outlives_a_killed_build_is_waited_for(sandbox, monkeypatch):
    monkeypatch.setattr("helpers.report.output.ORPHAN_SECONDS", 0.5)
    output = Output(sandbox.output)
    with locked(output):
        pass
    with output.kernel_lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        with pytest.raises(ParameterError, match="still runs"), locked(output):
            pytest.fail("not to be reached")
    with locked(output):
        pass


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text + "  - [", "quick.yaml"),
        (
            lambda _: "{purpose: none, common: {}, datasets: {}, chapters: {}, runs: []}",
            "its list of runs is empty",
        ),
        (lambda text: text.replace('"09_findings"', '"01_data"'), "listed twice"),
    ],
)
def test_broken_profile_is_refused(sandbox, change, words):
    path = sandbox.root / "profiles" / "quick.yaml"
    path.write_text(change(path.read_text()))
    done = sandbox.run()
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), ("not JSON", "not a notebook")]
)
def test_broken_notebook_is_refused(sandbox, content, words):
    path = sandbox.root / "notebooks" / "02_models.ipynb"
    path.unlink() if content is None else path.write_text(content)
    done = sandbox.run()
    assert done.returncode == 2
    assert words in done.stderr
    assert "02_models.ipynb" in done.stderr


def test_help_and_list_exit_0_and_build_nothing(sandbox):
    told = sandbox.run("--help")
    listed = sandbox.run("--list")
    assert told.returncode == listed.returncode == 0
    assert "Exit codes" in told.stdout
    assert re.search(r"02_models:shapes +not built yet", listed.stdout)
    assert "pair" in listed.stdout
    assert not (sandbox.root / "build").exists()


def test_expensive_values_pass_with_their_flag(sandbox):
    done = sandbox.run("--set", "size=10000", "--allow-expensive", "--list")
    assert done.returncode == 0, done.stderr


def test_lists_of_values_are_spread(sandbox, monkeypatch):
    monkeypatch.setattr(paths, "PROFILES", sandbox.root / "profiles")
    arguments = ["--only", "a", "b:c", "quick", "--set", "x=1", "y=2", "--fresh"]
    expected = ["--only", "a", "--only", "b:c", "quick", "--set", "x=1", "--set", "y=2", "--fresh"]
    assert spread(arguments) == expected
    assert spread(["--set", "x=1", "pair"]) == ["--set", "x=1", "pair"]
    assert spread(["pair", "--only", "a"]) == ["pair", "--only", "a"]


# The set-up, in a folder of its own and with a stand-in for what takes minutes.

ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX")
OUTSIDE = {name: value for name, value in os.environ.items() if name not in ACTIVE}


@pytest.fixture
def project(tmp_path):
    (tmp_path / "scripts").mkdir()
    shutil.copy(SETUP, tmp_path / "scripts")
    for name in ("build_report.sh", "run_tests.sh"):
        shutil.copy(PROJECT / name, tmp_path)
    (tmp_path / "requirements.lock").write_text("numpy==2.0\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return tmp_path


def bash(text: str, project: Path, **environment: str) -> subprocess.CompletedProcess:
    script = f'set -euo pipefail; source "{SETUP}"; project="{project}"; {text}'
    return subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        cwd="/",
        env={**OUTSIDE, **environment},
        timeout=120,
    )


TESTS = "-m pytest --nbval-lax --nbval-current-env"
FAKE = """
make_environment() {
  echo made >> "$1/log"; sleep 0.3; mkdir -p "$1/.venv/bin"; ln -sf /bin/sh "$1/.venv/bin/python"
  set_up_stamp "$1" > "$1/.venv/.set-up"
}
"""


@pytest.mark.parametrize("name", ["build_report.sh", "run_tests.sh", "scripts/setup.sh"])
def test_scripts_parse(name):
    subprocess.run(["bash", "-n", PROJECT / name], check=True)
    assert name.endswith("setup.sh") or os.access(PROJECT / name, os.X_OK)


def test_set_up_is_done_once_and_again_when_the_lock_changes(project):
    assert bash(FAKE + 'set_up "$project"; set_up "$project"', project).returncode == 0
    assert (project / "log").read_text() == "made\n"
    (project / "requirements.lock").write_text("numpy==2.1\n")
    assert bash(FAKE + 'set_up "$project"', project).returncode == 0
    assert (project / "log").read_text() == "made\nmade\n"


def test_two_set_ups_at_once_make_one_environment(project):
    text = FAKE + '(set_up "$project") & (set_up "$project") & wait'
    assert bash(text, project).returncode == 0
    assert (project / "log").read_text() == "made\n"


@pytest.mark.slow
def test_failing_set_up_says_so_and_is_redone(project):
    text = 'install_into_venv() { echo "$@" >> "$project/log"; false; }; set_up "$project"; echo on'
    done = bash(text, project)
    assert done.returncode == 3
    assert "could not be installed" in done.stderr
    assert "on" not in done.stdout.split()
    assert (project / ".venv" / ".set-up").read_text() == "unfinished\n"
    (project / ".venv" / "half-installed").touch()
    done = bash('install_into_venv() { echo "$@" >> "$project/log"; }; set_up "$project"', project)
    assert done.returncode == 0
    assert not (project / ".venv" / "half-installed").exists()
    assert (project / "log").read_text().splitlines()[-2:] == [
        "--require-hashes -r requirements.lock",
        "--no-deps --no-build-isolation -e .",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("gone", [".venv", ".venv/bin/python"])
def test_an_environment_whose_python_is_gone_is_made_anew(project, gone):
    text = 'install_into_venv() { :; }; set_up "$project"'
    assert bash(text, project).returncode == 0
    (project / gone).rename(project / "moved")
    (project / gone).symlink_to("nowhere")
    done = bash(text, project)
    assert done.returncode == 0, done.stderr
    assert "Setting up .venv" in done.stderr
    subprocess.run([project / ".venv" / "bin" / "python", "-c", ""], check=True)


def program(path: Path, text: str) -> None:
    """Write a script that can be called."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def fake_active(folder: Path, lacks: str = "") -> str:
    """Make an environment whose Python says what it lacks, and prints its name for all else."""
    says = f"echo '{lacks}' >&2; exit 1" if lacks else "exit 0"
    asked = f'case "$2" in */satisfies.py) {says};; esac'
    program(folder / "bin" / "python", f'#!/bin/sh\n{asked}\necho {folder.name}: "$@"\n')
    return str(folder)


@pytest.mark.parametrize("kind", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_an_active_environment_that_satisfies_the_lock_is_used(project, tmp_path, kind):
    active = {kind: fake_active(tmp_path / "mine")}
    for name, expected in (
        ("build_report.sh", "mine: -P -m helpers.report --list"),
        ("run_tests.sh", f"mine: {TESTS} tests notebooks --list"),
    ):
        done = subprocess.run(
            [project / name, "--list"], capture_output=True, text=True, env=OUTSIDE | active
        )
        assert (done.stdout.strip(), done.stderr) == (expected, "")
    assert not (project / ".venv").exists()


def test_one_that_lacks_something_is_not_and_the_set_up_says_what(project, tmp_path):
    lacking = fake_active(tmp_path / "mine", lacks="keras==3.15.1 and 4 more")
    done = bash(FAKE + 'set_up "$project"; echo "$environment"', project, VIRTUAL_ENV=lacking)
    assert done.stdout == f"{project}/.venv\n"
    assert f"; the active environment {lacking} lacks keras==3.15.1 and 4 more\n" in done.stderr
    base = {"VIRTUAL_ENV": lacking, "CONDA_PREFIX": fake_active(tmp_path / "conda")}
    done = bash(FAKE + 'set_up "$project"; echo "$environment"', project, **base)
    assert (done.stdout, done.stderr) == (f"{tmp_path}/conda\n", "")


def satisfies(project: Path = PROJECT) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", project / "scripts" / "satisfies.py"]
    return subprocess.run(command, capture_output=True, text=True, cwd="/")


def test_the_environment_of_the_tests_satisfies_the_lock():
    done = satisfies()
    assert (done.returncode, done.stderr) == (0, "")


def test_what_an_environment_lacks_is_named(project):
    shutil.copy(PROJECT / "scripts" / "satisfies.py", project / "scripts")
    (project / "helpers").mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\ndependencies = ["keras>=3", "no-such-package"]\noptional-dependencies.dev = []\n'
    )
    (project / "requirements.lock").write_text("keras==2.0\nno-such-package==1.0 ; x\n")
    done = satisfies(project)
    assert done.returncode == 1
    lacks = "keras==2.0, no-such-package==1.0, the project itself (pip install --no-deps -e .)"
    assert done.stderr == lacks + "\n"


def test_the_callers_python_settings_do_not_count(project):
    names = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONWARNINGS")
    done = bash("env | grep ^PYTHON", project, **dict.fromkeys(names, "/nowhere"))
    assert done.stdout == "PYTHONNOUSERSITE=1\n"


def test_missing_python_is_explained(project, tmp_path):
    # As a version manager's stand-in does.
    program(tmp_path / "bin" / "python3.12", "#!/bin/sh\nexit 127\n")
    done = bash(f'PATH="{tmp_path}/bin"; find_python', project)
    assert done.returncode == 3
    assert "Python 3.11, 3.12 or 3.13 is needed" in done.stderr


def test_uv_makes_a_python_where_there_is_none(project, tmp_path):
    made = tmp_path / "made"
    program(
        tmp_path / "bin" / "uv",
        f'#!/bin/bash\n[[ $2 == install ]] && echo > "{made}"\n'
        f'[[ -e "{made}" ]] && echo /home/reader/python3.12\n',
    )
    done = bash(f'PATH="{tmp_path}/bin"; find_python', project)
    assert (done.returncode, done.stdout) == (0, "/home/reader/python3.12\n"), done.stderr


def fake_python(project: Path) -> None:
    program(project / ".venv" / "bin" / "python", '#!/bin/sh\necho "$@"\nexit 7\n')
    bash('set_up_stamp "$project" > "$project/.venv/.set-up"', project)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("run_tests.sh", [], f"{TESTS} tests notebooks"),
        ("run_tests.sh", ["-k", "x"], f"{TESTS} tests notebooks -k x"),
        ("run_tests.sh", ["scripts::a", "-x"], "-m pytest scripts::a -x"),
        ("run_tests.sh", ["--fast"], "-m pytest -m not slow -n auto --dist worksteal tests"),
        ("run_tests.sh", ["-x", "--fast", "scripts"], "-m pytest -m not slow -x scripts"),
        ("build_report.sh", ["quick", "--set", "a=b c"], "-P -m helpers.report quick --set a=b c"),
    ],
)
def test_scripts_pass_arguments_and_exit_code_from_anywhere(project, name, arguments, expected):
    fake_python(project)
    done = subprocess.run([project / name, *arguments], capture_output=True, text=True, cwd="/")
    assert (done.stdout.strip(), done.returncode) == (expected, 7)


@pytest.mark.parametrize("name", ["build_report.sh", "run_tests.sh"])
def test_scripts_may_be_called_by_links_and_with_a_cdpath(project, name):
    fake_python(project)
    folder = project / "deep" / "bin"
    folder.mkdir(parents=True)
    (folder / "second").symlink_to(f"../../{name}")
    (project / "first").symlink_to(folder / "second")
    (project / "elsewhere" / "link").mkdir(parents=True)
    (project / "link").symlink_to(folder)  # .. starts where it leads, not where it lies
    for command in ("./first", "link/second", f"./{name}"):
        done = subprocess.run(
            [command], capture_output=True, text=True, cwd=project,
            env={**os.environ, "CDPATH": str(project / "elsewhere")},
        )  # fmt: skip
        assert done.returncode == 7, done.stderr
        assert done.stdout.startswith("-")
