"""The machine that measures, the rate it reaches in matrix products, and how to time in turns."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import keras
import numpy as np
import psutil
import tensorflow as tf

PACKAGES = (
    "tensorflow", "keras", "numpy", "scipy", "adversarial-robustness-toolbox", "foolbox", "cleverhans",
)  # fmt: skip


def describe() -> list[str]:
    """Lines that say on what was measured: processor, cores, memory, versions, load."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [row for row in info.read_text(encoding="utf-8").splitlines() if row.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    memory = psutil.virtual_memory().total / 2**30
    return [
        f"{date.today()}; {cpu}, {os.cpu_count()} cores, {memory:.0f} GiB; {platform.system()}; "
        f"Python {platform.python_version()}",
        ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        f"Load average at the start: {os.getloadavg()[0]:.2f}",
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def matrix_product_rate(size: int = 2048, repeats: int = 7) -> float:
    """Best rate of a float32 matrix product, in FLOP/s, by TensorFlow or NumPy."""
    a = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
    tensor = tf.constant(a)
    seconds = []
    for product in (lambda: a @ a, lambda: tf.matmul(tensor, tensor).numpy()):
        product()
        seconds.append(np.median([_seconds(product) for _ in range(repeats)]))
    return 2 * size**3 / min(seconds)


def flops_of_gradient(model: keras.Model) -> int:
    """Operations of one image's logits and input gradient; products of layers only.

    Each convolution and dense layer costs once forward and once more for the gradient of its input.
    """
    forward = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            products = int(np.prod(layer.kernel.shape))
            positions = int(np.prod(layer.output.shape[1:-1]))
            forward += 2 * products * positions
    return 2 * forward


def in_turns(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time each contender once per round, after a call that does not count; seconds by name."""
    for call in contenders.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        first = turn % len(contenders)  # nobody always runs after the same one
        for name in [*contenders][first:] + [*contenders][:first]:
            times[name].append(_seconds(contenders[name]))
    return times


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
