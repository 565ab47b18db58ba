"""What oneDNN, its instruction set and the number of threads change: speed, and the digits themselves.

``python -m benchmarks.processor`` measures in its own process, since TensorFlow reads its settings once.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

# oneDNN on and off, and both held to what every x86-64 processor with AVX2 has: TensorFlow's other
# kernels, too, multiply with oneDNN's matrix product and heed the limit.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
SETTINGS = {
    (what, state): {"TF_ENABLE_ONEDNN_OPTS": on} | limit
    for what, limit in (("AVX2 at most", AVX2), ("this processor's all", {}))
    for state, on in (("off", "0"), ("on", "1"))
}
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
FOREIGN = ("TF_", "ONEDNN_", "OMP_", "DNNL_")


def measure(n: int) -> dict[str, float | str]:
    """Train Table 2's network on `n` random images, and attack it; digests, and seconds for each."""
    from helpers.attacks.steps import bim
    from helpers.models import networks, training

    random = np.random.default_rng(0)
    y = random.integers(0, 10, n).astype(np.int32)
    x = random.integers(0, 200, (n, 28, 28, 1)).astype(np.float32) / 255
    x[np.arange(n), 2 * y] += np.float32(0.2)  # a bright row for each class
    model = networks.build("table_2", (28, 28, 1), 10, seed=0)
    start = model.get_weights()
    some = min(n, 256)

    def train():
        model.set_weights(start)
        training.train(
            model, x, y, epochs=1, batch_size=64, learning_rate=0.001, patience=1,
            validation_fraction=0.1, seed=0,
        )  # fmt: skip

    def attack():
        return bim(model, x[:some], y[:some], epsilon=0.05, alpha=0.02, steps=5)

    train(), attack()  # compiles
    told: dict[str, float | str] = {}
    for name, call, times in (("trained", train, 0.9 * n), ("attacked", attack, 5 * some)):
        begun = time.process_time()
        made = call()
        told[name] = (time.process_time() - begun) / times
        told[f"{name} digest"] = _digest(model.get_weights() if made is None else [made])
    return told


def _digest(arrays: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()[
        :12
    ]


def under(settings: dict[str, str], threads: int, n: int) -> dict[str, float | str]:
    """Measure in a process with these settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    kept |= settings | dict.fromkeys(THREADS, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "benchmarks.processor", str(n)]
    done = subprocess.run(
        command, env=kept, cwd=Path(__file__).parents[1], check=True, text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def section(n: int, rounds: int, machine: str) -> list[str]:
    """Lines of the results: each setting with one and two threads, `rounds` times in turns."""
    keys = [(name, threads) for threads in (1, 2) for name in SETTINGS]
    found: dict[tuple, list[dict]] = {key: [] for key in keys}
    for _ in range(rounds):
        for name, threads in keys:
            found[name, threads].append(under(SETTINGS[name], threads, n))
            print(name, threads, found[name, threads][-1], flush=True)
    runs = "one run" if rounds == 1 else f"medians of {rounds} runs in turns"
    lines = [
        f"### oneDNN, its instruction set and threads: table_2, {n:,} random images",
        "",
        f"One epoch in batches of 64, then BIM with 5 steps on {min(n, 256)} images; "
        f"{runs}. Times are of the processor, all threads together: what else runs moves them "
        "less. Gain: beside oneDNN off with the same instructions and threads. Equal "
        f"digests: the same weights, the same images, bit for bit. Measured on: {machine}.",
        "",
        "| instructions | oneDNN | threads | training, ms an image | gain | BIM, ms a gradient | gain | "
        "digest of weights | of images |",
        "|---|---|---:|---:|---:|---:|---:|---|---|",
    ]
    for ((instructions, state), threads), rows in found.items():
        cells = []
        for what in ("trained", "attacked"):
            each = np.median([row[what] for row in rows])
            off = np.median([row[what] for row in found[(instructions, "off"), threads]])
            cells += [f"{1000 * each:.2f}", f"{off / each:.2f}"]
        digests = [
            " ".join(sorted({row[f"{what} digest"] for row in rows}))
            for what in ("trained", "attacked")
        ]
        lines.append(f"| {instructions} | {state} | {threads} | {' | '.join([*cells, *digests])} |")
    return [*lines, ""]


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
