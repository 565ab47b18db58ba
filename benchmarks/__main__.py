"""Measure everything and write the results; see run.sh."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

import click
import keras
import numpy as np

from benchmarks import machine, peers, processor, scipy_lbfgs
from helpers.attacks.inputs import random_targets
from helpers.attacks.lbfgs_attack import lbfgs
from helpers.attacks.steps import bim
from helpers.data import load
from helpers.defences import bagging
from helpers.experiment.pieces import Piece, Request
from helpers.experiment.store import Store
from helpers.files import write_atomically
from helpers.models import gradients, networks, training

PROJECT = Path(__file__).resolve().parents[1]
BATCH_SIZE = 256
# epsilon, epochs: values at which attacks are informative, and a network that knows its data.
SETTINGS = {
    "mnist": (0.1, 4), "cifar10": (0.02, 8), "digits": (0.1, 5), "shapes": (0.03, 8),
}  # fmt: skip
STAND_INS = {"mnist": "digits", "cifar10": "shapes"}
SECTIONS = (
    "gradients-mnist",
    "gradients-cifar10",
    "robust-mnist",
    "robust-cifar10",
    "processor",
    "scaling",
    "lbfgs-mnist",
    "lbfgs-cifar10",
)
SEARCH = {"c_init": 1.0, "c_steps": 8, "max_iterations": 50}


@dataclass(frozen=True)
class Subject:
    """A trained network with correctly classified test images."""

    name: str
    label: str
    model: keras.Model
    x: np.ndarray
    y: np.ndarray
    epsilon: float


def subject(name: str, data_dir: Path | None, n_images: int) -> Subject:
    """Train (once) the report's network for a data set; its stand-in where there is no data."""
    real = data_dir is not None
    name = name if real else STAND_INS[name]
    epsilon, epochs = SETTINGS[name]
    data = load(name, data_dir=data_dir, n_train=20000 if real else 0, n_test=0, seed=0)
    architecture = networks.architecture_for(data.input_shape)
    settings = {
        "epochs": epochs, "batch_size": 128, "learning_rate": 0.001, "patience": 3,
        "validation_fraction": 0.1, "seed": 0,
    }  # fmt: skip

    def make(checkpoint):
        model = networks.build(architecture, data.input_shape, data.n_classes, seed=0)
        history = training.train(
            model, data.x_train, data.y_train, checkpoint=checkpoint, **settings
        )
        return model, history

    store = Store(PROJECT / "build" / "benchmarks" / "store")
    key = {"benchmark": name, "data": data.train_digest, "training": settings}
    code = ("helpers.models.networks", "helpers.models.training")
    piece = Piece(f"{name}-benchmark", "model", key, code, (), Request("original", {}, 0, "", {}))
    model, _ = store.model(piece, make)
    correct = np.flatnonzero(gradients.logits(model, data.x_test).argmax(-1) == data.y_test)
    rows = np.resize(correct, n_images)  # stand-ins have fewer than asked for
    return Subject(name, data.label, model, data.x_test[rows], data.y_test[rows], epsilon)


def gradient_attacks(s: Subject, n: int, steps: int, rounds: int) -> list[str]:
    """Ours and the peers' FGSM, BIM and PGD in alternating runs, and the share of the matrix rate."""
    x, y = s.x[:n], s.y[:n]
    alpha = s.epsilon / 4
    made = peers.contenders(
        s.model, x, y, epsilon=s.epsilon, alpha=alpha, steps=steps, batch_size=BATCH_SIZE
    )
    lines = [
        f"### FGSM, BIM, PGD: {s.model.name} on {s.label}, {n:,} images",
        "",
        f"ε = {s.epsilon:g}, α = {alpha:g}, {steps} steps, batches of {BATCH_SIZE}; medians of {rounds} "
        f"alternating runs (FGSM: {3 * rounds}) after one that does not count. Pixels that differ: "
        "share of pixels farther than 1e-5 from ours (random starts differ by design).",
        "",
        "| attack | library | seconds | images/s | time / ours | pixels that differ |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for attack, calls in made.items():
        turns = 3 * rounds if attack == "fgsm" else rounds  # half a second each
        times = {k: float(np.median(v)) for k, v in machine.in_turns(calls, turns).items()}
        expected = calls["ours"]()
        for library, seconds in times.items():
            differ = (
                "" if attack == "pgd" else f"{(abs(calls[library]() - expected) > 1e-5).mean():.2%}"
            )
            lines.append(
                f"| {attack} | {library} | {seconds:.2f} | {n / seconds:,.0f} | "
                f"{seconds / times['ours']:.2f} | {differ} |"
            )
            print(lines[-1], flush=True)
        if attack == "bim":
            bim_seconds = times["ours"]
    # Measured right after the attack: the rate of a shared machine changes within minutes.
    rates = []
    for _ in range(rounds):
        seconds = machine.in_turns({"bim": made["bim"]["ours"]}, 1)["bim"][0]
        flops = n * steps * machine.flops_of_gradient(s.model) / seconds
        rates.append((flops / 1e9, machine.matrix_product_rate() / 1e9))
    attack_rate, product_rate = np.median(rates, axis=0)
    share = np.median([a / b for a, b in rates])
    lines += [
        "",
        f"BIM runs at {attack_rate:.0f} GFLOP/s (products of layers, forward and input gradient), the "
        f"float32 matrix product of this machine at {product_rate:.0f} GFLOP/s: a share of "
        f"{share:.0%} (median of {rounds} pairs; {bim_seconds:.2f} s above).",
        "",
    ]
    print(lines[-2], flush=True)
    return lines


def robust(s: Subject, n: int, steps: int, rounds: int) -> list[str]:
    """Our worst-case accuracy beside the peers' PGD with the same steps and restarts."""
    x, y, restarts = s.x[:n], s.y[:n], 5
    runs = "one run each" if rounds == 1 else f"medians of {rounds} runs in turns"
    lines = [
        f"### Robust accuracy: {s.model.name} on {s.label}, {n:,} images, no defence",
        "",
        f"PGD, {steps} steps of a quarter of ε, {restarts} random starts, batches of {BATCH_SIZE}; "
        f"{runs}, compared by processor seconds, which what else runs moves less. Ours tries FGSM and "
        "BIM first, PGD only on what these leave right, and leaves an image once it is broken; ART "
        "starts again with what is right, Foolbox with everything. Measured on: "
        f"{machine.describe()[0]}.",
        "",
        "| ε | library | seconds | processor seconds | ours / processor seconds | right |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for epsilon in (s.epsilon, 2 * s.epsilon):
        settings = {
            "epsilon": epsilon, "alpha": epsilon / 4, "steps": steps, "batch_size": BATCH_SIZE,
        }  # fmt: skip
        for call in peers.robust(s.model, x[:16], y[:16], restarts=1, **settings).values():
            call()  # compiles
        calls = peers.robust(s.model, x, y, restarts=restarts, **settings)
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in calls}
        for _ in range(rounds):
            for name, call in calls.items():
                wall, busy = time.perf_counter(), time.process_time()
                right = call().mean()
                times = time.perf_counter() - wall, time.process_time() - busy
                found[name].append((*times, right))
                print(epsilon, name, found[name][-1], flush=True)
        medians = {name: np.median(rows, axis=0) for name, rows in found.items()}
        for name, (wall, busy, right) in medians.items():
            lines.append(
                f"| {epsilon:g} | {name} | {wall:.2f} | {busy:.2f} | "
                f"{medians['ours'][1] / busy:.2f} | {right:.1%} |"
            )
    return [*lines, ""]


def nearest(s: Subject, n: int, rounds: int) -> list[str]:
    """Our L-BFGS beside scipy's, image by image and joint."""
    x, y = s.x[:n], s.y[:n]
    targets = random_targets(y, s.model.output_shape[-1], 0)
    found = {}

    def ours():
        result = lbfgs(s.model, x, y, targets=targets, batch_size=BATCH_SIZE, **SEARCH)
        found["ours"] = result.l2

    def theirs(name, method, **options):
        def call():
            found[name] = method(s.model, x, targets, **options, **SEARCH)

        return call

    # factr is in units of the machine's precision: 1e-4 of relative decrease, as ours.
    loose = 1e-4 / np.finfo(float).eps
    one, together = scipy_lbfgs.one_at_a_time, scipy_lbfgs.joint
    contenders = {
        "ours": ours,
        "scipy, joint": theirs("scipy, joint", together),
        "scipy, one image at a time": theirs("scipy, one image at a time", one),
        "scipy, one at a time, tolerance as ours": theirs(
            "scipy, one at a time, tolerance as ours", one, factr=loose
        ),
    }
    ours()  # compiles
    times = {name: [] for name in contenders}
    for turn in range(rounds):
        for name, call in contenders.items():
            if turn and name != "ours":  # minutes long: once
                continue
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
            print(s.name, name, f"{times[name][-1]:.1f} s", flush=True)
    seconds = {name: float(np.median(values)) for name, values in times.items()}
    reference = found["scipy, one image at a time"]
    lines = [
        f"### L-BFGS: {s.model.name} on {s.label}, {n:,} images, random targets",
        "",
        f"{SEARCH['c_steps']} values of c from {SEARCH['c_init']:g}, at most "
        f"{SEARCH['max_iterations']} iterations each, box [0, 1]; ours: median of {rounds} runs, "
        "scipy's, which take minutes: one. L2 over the images where all succeed; the last two columns "
        "relate to scipy, one image at a time.",
        "",
        "| solver | seconds | images/s | time / ours | success | mean L2 | 95th percentile | mean ratio "
        "| 95th percentile ratio |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    both = np.all([np.isfinite(l2) for l2 in found.values()], axis=0)
    tail = np.percentile(reference[both], 95)
    for name, l2 in found.items():
        high = np.percentile(l2[both], 95)
        lines.append(
            f"| {name} | {seconds[name]:.1f} | {n / seconds[name]:.1f} | "
            f"{seconds[name] / seconds['ours']:.1f} | {np.isfinite(l2).mean():.1%} | "
            f"{l2[both].mean():.4f} | {high:.4f} | {l2[both].mean() / reference[both].mean():.4f} | "
            f"{high / tail:.4f} |"
        )
    return [*lines, ""]


def scaling(s: Subject, sizes: list[int], rounds: int) -> list[str]:
    """BIM's time against the numbers of images, steps and members."""
    epsilon, alpha = s.epsilon, s.epsilon / 4
    top, few = sizes[-1], sizes[0]

    def call(model, n, steps):
        return lambda: bim(
            model, s.x[:n], s.y[:n], epsilon=epsilon, alpha=alpha, steps=steps,
            batch_size=BATCH_SIZE,
        )  # fmt: skip

    # Different weights: TensorFlow computes what is the same for all members once.
    networks = [keras.models.clone_model(s.model) for _ in range(8)]
    vote = {k: bagging.Ensemble(networks[:k]) for k in (1, 2, 4, 8)}
    runs = {("images", n): call(s.model, n, 5) for n in sizes}
    runs |= {("steps", k): call(s.model, few * 2, k) for k in (5, 10, 20, 40)}
    runs |= {("members", k): call(model, few, 5) for k, model in vote.items()}
    times = {key: float(np.median(v)) for key, v in machine.in_turns(runs, rounds).items()}
    lines = [
        f"### Time grows linearly: BIM, {s.model.name}, batches of {BATCH_SIZE}",
        "",
        f"Against images: 5 steps; against steps: {few * 2:,} images; against members of an ensemble: "
        f"{few:,} images, 5 steps. Medians of {rounds} alternating runs. The last column is 1 where the "
        "time is proportional.",
        "",
        "| of | number | seconds | seconds for each | beside the row of the largest number |",
        "|---|---:|---:|---:|---:|",
    ]
    largest = {"images": top, "steps": 40, "members": 8}
    for (what, k), seconds in times.items():
        each = times[what, largest[what]] / largest[what]
        lines.append(
            f"| {what} | {k:,} | {seconds:.2f} | {seconds / k:.5f} | {seconds / k / each:.2f} |"
        )
    return [*lines, ""]


@click.command()
@click.option("--data-dir", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Folder of MNIST and CIFAR-10; without it the stand-ins are used.")  # fmt: skip
@click.option("--quick", is_flag=True, help="Few images and one round, to see that it runs.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path),
              default=PROJECT / "benchmarks" / "results.md", show_default=False,
              help="File of the results; benchmarks/results.md without it.")  # fmt: skip
@click.option("--section", "chosen", multiple=True, type=click.Choice(SECTIONS),
              help="Measure this section only and keep the file's others; may be repeated.")  # fmt: skip
def main(data_dir: Path | None, quick: bool, output: Path, chosen: tuple[str, ...]) -> None:
    """Measure the attacks beside their peers, each section in one run."""
    n, steps, rounds = (64, 3, 1) if quick else (1000, 10, 5)
    n_nearest = 8 if quick else 200
    sizes = [64, 128] if quick else [250, 500, 1000, 2000]
    header = machine.describe()
    wanted = chosen or SECTIONS
    mnist, cifar10 = (
        subject(name, data_dir, sizes[-1])
        if any(name in section or (section == "scaling" and name == "mnist") for section in wanted)
        else None
        for name in ("mnist", "cifar10")
    )
    measure = {
        "gradients-mnist": lambda: gradient_attacks(mnist, n, steps, rounds),
        "gradients-cifar10": lambda: gradient_attacks(cifar10, n, steps, rounds),
        "robust-mnist": lambda: robust(mnist, n // 10, 2 * steps, 1),
        "robust-cifar10": lambda: robust(cifar10, n // 10, 2 * steps, 1),
        "processor": lambda: processor.section(2 * n, min(rounds, 3), header[0]),
        "scaling": lambda: scaling(mnist, sizes, 1 if quick else 2),
        "lbfgs-mnist": lambda: nearest(mnist, n_nearest, min(rounds, 3)),
        "lbfgs-cifar10": lambda: nearest(cifar10, n_nearest, min(rounds, 3)),
    }
    first = [
        "# Speed and quality of the attacks",
        "",
        "Written by `benchmarks/run.sh`; do not edit. Peers run on the same model, images and "
        "parameters, in the same process, one after the other in turns.",
        "",
        *[f"* {line}" for line in header],
        "",
        "",
    ]
    kept = {}
    if chosen and output.is_file():  # the others were measured when, and on what, its head says
        text = output.read_text(encoding="utf-8")
        first, kept = [*text.partition("### ")[0].rstrip("\n").split("\n"), "", ""], parts(text)
    for name in wanted:
        lines = measure[name]()
        kept[lines[0]] = "\n".join([*lines, ""])
        # What is measured is kept if the rest is not.
        write_atomically(output, "\n".join(first) + "".join(kept.values()))
    click.echo(f"Results: {output}")


def parts(text: str) -> dict[str, str]:
    """Split a file of results into its sections, by their headings."""
    found = re.split(r"^(?=### )", text, flags=re.MULTILINE)[1:]
    return {section.partition("\n")[0]: section.rstrip("\n") + "\n\n" for section in found}


if __name__ == "__main__":
    main()
