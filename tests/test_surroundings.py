"""What the user's home and environment hold must reach neither results nor figures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import matplotlib
import pytest
from small_project import write_notebook

from helpers.figures.looks import styled
from helpers.figures.show import render

SETTINGS = {"floatx": "float64", "epsilon": 0.1, "image_data_format": "channels_first"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home whose settings would spoil everything."""
    folder = tmp_path / "home"
    startup = folder / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("raise SystemExit('the start-up file ran')\n")
    (folder / ".keras" / "models").mkdir(parents=True)
    (folder / ".keras" / "keras.json").write_text(json.dumps(SETTINGS))
    (folder / "modules").mkdir()
    (folder / "modules" / "callers_own.py").touch()
    for name in os.environ:
        if name.startswith(("TF_NUM", "ONEDNN", "IPYTHON", "KERAS", "MATPLOTLIBRC")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    return folder


TELL = """\
import importlib.util, json, os, sys
from pathlib import Path
names = [n for n in os.environ if n.startswith(("PYTHON", "TF_", "ONEDNN", "KERAS", "MPL"))]
told = {name: os.environ[name] for name in names}
told["own"] = importlib.util.find_spec("callers_own") is not None
told["ipython"] = get_ipython().ipython_dir
told["keras.json"] = (Path(os.environ["KERAS_HOME"]) / "keras.json").exists()
told["weights"] = str((Path(os.environ["KERAS_HOME"]) / "models").resolve())
told["matplotlibrc"] = Path(os.environ["MATPLOTLIBRC"]).read_text()
(Path(output_dir) / "told.json").write_text(json.dumps(told))
"""


def test_a_kernel_has_settings_of_its_own(sandbox, home, monkeypatch):
    for name, value in {
        "PYTHONPATH": str(home / "modules"),
        "PYTHONSTARTUP": "nowhere.py",
        "PYTHONWARNINGS": "error::UserWarning",
        "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
        "MPLBACKEND": "no_such_backend",
        "MATPLOTLIBRC": str(home),
    }.items():
        monkeypatch.setenv(name, value)
    parameters = 'output_dir: str = "build"  # records\nseed: int = 0  # seed'
    parameters += '\ndata_dir: str = "data"  # data\nstore_dir: str = "build/store"  # models'
    write_notebook(
        sandbox.root / "notebooks" / "09_findings.ipynb", ["# Findings", parameters, TELL]
    )
    done = sandbox.run("--only", "09_findings")
    assert done.returncode == 0, done.stderr
    told = json.loads((sandbox.output / "told.json").read_text())
    assert not told.pop("own")
    assert not told.pop("ipython").startswith(str(home))
    assert not told.pop("keras.json")
    assert told.pop("weights") == str(home / ".keras" / "models")
    assert told.pop("matplotlibrc") == ""
    assert not os.path.exists(told.pop("KERAS_HOME"))  # noqa: PTH110
    assert "no_such_backend" not in told.pop("MPLBACKEND", "")
    assert told == {
        "PYTHONNOUSERSITE": "1",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": os.environ["TF_CPP_MIN_LOG_LEVEL"],
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    }


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["from helpers.models import gradients", "import keras"])
def test_the_library_by_hand_has_settings_of_its_own(home, monkeypatch, first):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if first == "import keras":
        monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    done = python(
        f"{first}\nfrom helpers.models import gradients, networks\nimport keras, os\nc = keras.config\n"
        "layer = networks.build('table_2', (28, 28, 1), 10, seed=0).layers[1]\n"
        "print(c.backend(), c.floatx(), c.dtype_policy().name, c.epsilon(), c.image_data_format(),\n"
        "layer.compute_dtype, layer.data_format, os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    )
    expected = "tensorflow float32 float32 1e-07 channels_last float32 channels_last 1"
    assert done.stdout.strip() == expected, done.stderr[-2000:]


def test_another_backend_that_is_there_already_is_refused():
    done = python(
        "import sys, types\nsys.modules['keras'] = types.SimpleNamespace("
        "backend=types.SimpleNamespace(backend=lambda: 'jax'))\nimport helpers"
    )
    assert done.returncode == 1
    assert re.search(
        "ImportError: Keras already runs on jax, and this project needs TensorFlow: import helpers "
        "before keras, or start Python with KERAS_BACKEND=tensorflow$",
        done.stderr.strip(),
    )


def test_a_matplotlibrc_changes_no_figure():
    @styled
    def draw():
        figure, axes = matplotlib.pyplot.subplots()
        axes.plot([0, 1], [1, 0], "--", label="down")
        axes.legend()
        return figure

    expected = render(draw(), "png")
    users = {
        "text.usetex": True,
        "axes.linewidth": 5,
        "legend.loc": "lower left",
        "lines.dash_capstyle": "round",
        "lines.dashed_pattern": (1, 5),
        "savefig.transparent": True,
        "figure.figsize": (2, 2),
    }
    with matplotlib.rc_context(users):
        assert render(draw(), "png") == expected
        assert matplotlib.rcParams["text.usetex"]
    matplotlib.pyplot.close("all")
