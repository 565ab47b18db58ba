"""The benchmark's own arithmetic; its measurements are made by benchmarks/run.sh on demand."""

import numpy as np
from small_models import trained

from benchmarks import __main__ as benchmark
from benchmarks import machine, scipy_lbfgs
from helpers.attacks.lbfgs_attack import lbfgs
from helpers.models import networks


def test_operations_of_the_table_2_network():
    model = networks.build("table_2", (28, 28, 1), 10, seed=0)
    forward = 24 * 24 * 25 * 32 + 20 * 20 * 800 * 64 + 6400 * 128 + 128 * 10
    assert machine.flops_of_gradient(model) == 2 * 2 * forward


def test_contenders_run_in_turns_after_one_call_that_does_not_count():
    calls = []
    times = machine.in_turns(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2
    )
    assert calls == list("ababba")  # nobody always comes first
    assert {name: len(values) for name, values in times.items()} == {"a": 2, "b": 2}


def test_the_reference_solvers_find_what_ours_finds():
    model, x, y = trained()
    x, y = x[:6], y[:6]
    targets = ((y + 1) % 3).astype(np.int32)
    search = {"c_init": 1.0, "c_steps": 6, "max_iterations": 50}
    ours = lbfgs(model, x, y, targets=targets, **search)
    alone = scipy_lbfgs.one_at_a_time(model, x, targets, **search)
    together = scipy_lbfgs.joint(model, x, targets, **search)
    assert ours.success.all()
    assert ours.l2.mean() <= 1.01 * alone.mean()
    assert np.percentile(ours.l2 / alone, 95) <= 1.02
    assert abs(together.mean() / alone.mean() - 1) < 0.1


def test_sections_are_kept_by_their_headings():
    text = "# Title\n\n* about\n\n### One\n\na\n\n### Two\n\nb\n"
    found = benchmark.parts(text)
    assert found == {"### One": "### One\n\na\n\n", "### Two": "### Two\n\nb\n\n"}
    assert benchmark.parts("# Title\n") == {}
