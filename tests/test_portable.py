"""Digits that every x86-64 processor with AVX2 repeats, however many cores it has."""

import json
import os
import subprocess
import sys

import pytest

from helpers import code

# A training and attacks of the library's own; nothing in their making depends on the machine.
PROGRAM = """
import hashlib, json
import numpy as np
from helpers.attacks import bim, lbfgs, pgd
from helpers.models import gradients, networks, training

found = {}
for name, shape in (("table_2", (28, 28, 1)), ("table_3", (32, 32, 3))):
    random = np.random.default_rng(0)
    y = random.integers(0, 10, 400).astype(np.int32)
    x = random.integers(0, 200, (400, *shape)).astype(np.float32) / 255
    x[np.arange(400), 2 * y] += np.float32(0.2)  # a bright row for each class
    model = networks.build(name, shape, 10, seed=0, width=0.5)
    training.train(
        model, x, y, epochs=2, batch_size=32, learning_rate=0.002, patience=2,
        validation_fraction=0.1, seed=0,
    )
    walk = {"epsilon": 0.05, "alpha": 0.02, "steps": 4}
    x, y = x[:96], y[:96]
    near = lbfgs(model, x[:16], y[:16], targets=(y[:16] + 1) % 10, c_steps=2, max_iterations=5)
    made = {
        "trained": model.get_weights(),
        "logits": [gradients.logits(model, x)],
        "bim": [bim(model, x, y, **walk)],
        "pgd": [pgd(model, x, y, restarts=2, seed=0, **walk)],
        "lbfgs": [near.x_adv],
    }
    for what, arrays in made.items():
        text = b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
        found[f"{name} {what}"] = hashlib.sha256(text).hexdigest()[:12]
print(json.dumps(found))
"""
# Of the versions in requirements.lock; another TensorFlow may well change them.
DIGESTS = {
    "table_2 trained": "a58510d969a8", "table_2 logits": "8684e275eda2", "table_2 bim": "0eadde4a00af",
    "table_2 pgd": "2eab3d0b826f", "table_2 lbfgs": "3b141d35b69a", "table_3 trained": "18b2a2819cbb",
    "table_3 logits": "bc2669713c83", "table_3 bim": "503f04bc3c01", "table_3 pgd": "4cc7814c0ec1",
    "table_3 lbfgs": "b737f0ceaec4",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("cores", [1, 2])
def test_a_rerun_repeats_the_digits_of_another_processor(cores):
    if reason := code.not_portable():
        pytest.skip(reason)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= code.PORTABLE | {"TF_NUM_INTEROP_THREADS": str(cores)}
    command = [sys.executable, "-P", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == DIGESTS


def test_what_is_asked_for_elsewhere_is_not_overruled(monkeypatch):
    monkeypatch.setattr(code, "not_portable", lambda: "")
    for name, value in code.PORTABLE.items():
        monkeypatch.setenv(name, value)
    code.make_portable()
    assert code.onednn() == code.PORTABLE
    # Two threads round otherwise: what they made is not what one makes.
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")
    assert code.onednn() != code.PORTABLE
    with pytest.raises(ValueError, match="TF_NUM_INTRAOP_THREADS=1, and it is 2"):
        code.make_portable()
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    with pytest.raises(ValueError, match="ONEDNN_MAX_CPU_ISA=AVX2, and it is SSE41"):
        code.make_portable()


def test_a_processor_that_cannot_is_refused(monkeypatch):
    monkeypatch.setattr(code.platform, "machine", lambda: "arm64")
    with pytest.raises(ValueError, match="no x86-64 processor but arm64"):
        code.make_portable()
