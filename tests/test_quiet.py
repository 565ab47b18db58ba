"""TensorFlow's notes on start-up are left out, and nothing else is; bars in JupyterLab are no errors."""

import os
import subprocess
import sys

import pytest
from tqdm import tqdm

from helpers import bars
from helpers.paths import PROJECT

SAYING = """
import os, sys
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
os.write(2, b"I0000 00:00:17.5   29641 port.cc:153] oneDNN custom operations are on.\\n")
os.write(2, b"W0000 00:00:17.5   29641 port.cc:153] a warning\\n")
print("said by Python", file=sys.stderr)
"""


def run(code, tmp_path, module=SAYING):
    """Run code where `module` stands for TensorFlow, from a file as the real one does."""
    (tmp_path / "tensorflow.py").write_text(module)
    return subprocess.run(
        [sys.executable, "-c", f"import helpers; {code}"], capture_output=True, text=True, cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{PROJECT}"}, check=False,
    )  # fmt: skip


def test_only_notes_are_left_out(tmp_path):
    done = run("import os, tensorflow, tensorflow; os.write(2, b'I0000 after it')", tmp_path)
    assert done.returncode == 0
    warning, by_python, after = sorted(done.stderr.splitlines(), key=len, reverse=True)
    assert warning == "W0000 00:00:17.5   29641 port.cc:153] a warning"
    assert (by_python, after) == ("said by Python", "I0000 after it")


def test_an_import_that_fails_says_why(tmp_path):
    done = run("import tensorflow", tmp_path, SAYING + "raise ImportError('no such library')")
    assert done.returncode == 1
    assert "a warning" in done.stderr
    assert "ImportError: no such library" in done.stderr


def test_without_standard_error_it_is_imported_all_the_same(tmp_path):
    done = run("import os; os.close(2); import tensorflow; print('there')", tmp_path, "")
    assert done.stdout == "there\n"


@pytest.mark.slow
def test_keras_starts_without_a_word():
    code = "import helpers, keras; keras.ops.ones(1)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True
    )
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("in_jupyter", [True, False])
def test_bars_read_as_output_in_jupyterlab_and_nothing_else_does(capsys, monkeypatch, in_jupyter):
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # put back afterwards
    monkeypatch.delenv(bars.IN_JUPYTER, raising=False)
    if in_jupyter:
        monkeypatch.setenv(bars.IN_JUPYTER, "/home/reader/notebooks/03_attacks.ipynb")
    bars.install()
    bars.install()
    for number in tqdm(range(3), desc="FGSM", mininterval=0):
        if number == 1:
            print("careful", file=sys.stderr)
    print("wrong\n", file=sys.stderr)
    out, error = capsys.readouterr()
    assert "careful\n" in error
    assert error.endswith("wrong\n\n")
    shown, other = (out, error) if in_jupyter else (error, out)
    assert "FGSM: 100%" in shown
    assert "FGSM" not in other
    assert out.endswith("\n") == in_jupyter
