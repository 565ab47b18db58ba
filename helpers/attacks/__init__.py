"""The attacks, a row each; the public ones are plain functions: ``bim(model, x, y, epsilon=...)``.

A new attack is a file in this folder, a row of `ATTACKS`, and a row of the tests' table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

# Where a function lies that this folder offers; loaded when asked for, since TensorFlow takes seconds.
PUBLIC = {
    "fgsm": "steps", "bim": "steps", "pgd": "steps", "random_noise": "steps",
    "momentum_bim": "momentum", "auto_pgd": "apgd", "lbfgs": "lbfgs_attack",
    "robust_accuracy": "robust",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in PUBLIC:
        return getattr(import_module(f"{__name__}.{PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes
    ----------
    name, label
        In code and records, and for people.
    kind
        ``none``; ``noise`` (sees no model); ``bounded`` (inside a ball of radius epsilon); ``unbounded``
        (goes as far as it must); ``black box`` (bounded, sees scores only).
    run
        Where its function stands, ``module:function`` in this folder; its code decides the images.
    settings
        ``settings(p, epsilon)`` gives the function's keyword arguments from a chapter's parameters and
        the size of the attack.
    rows
        ``rows(p, n)`` chooses which of `n` test images it attacks, as an index.
    """

    name: str
    label: str
    kind: str
    run: str
    settings: Callable[[Any, float], dict[str, Any]]
    rows: Callable[[Any, int], Any] = lambda p, n: slice(None)

    @property
    def module(self) -> str:
        """Name of the module whose code, with all that it imports, decides the images."""
        return f"{__name__}.{self.run.partition(':')[0]}"

    @property
    def bounded(self) -> bool:
        return self.kind in ("noise", "bounded", "black box")

    def craft(self, model, x, y, **settings):
        """Run the attack; returns an object with ``x_adv`` and ``success``, bool (n,)."""
        from helpers.attacks.inputs import Crafted

        function = getattr(import_module(self.module), self.run.partition(":")[2])
        made = function(model, x, y, **settings)
        return made if hasattr(made, "success") else Crafted(made, np.ones(len(x), bool))


FEWER = 5
AUTO = 2  # AutoPGD's steps, of PGD's: the paper's 100 beside 50


def _some(p, n):
    """Draw as many rows as L-BFGS attacks, the same for every model."""
    return np.sort(np.random.default_rng([p.seed, 7]).permutation(n)[: p.lbfgs_n_test])


def _first(p, n):
    return slice(p.outside_n_test)


def _first_of_strong(p, n):
    return slice(p.strong_n_test)


def _first_of_cw(p, n):
    return slice(p.cw_n_test)


def _nothing(p, epsilon):
    return {}


def _one_step(p, epsilon):
    return {"epsilon": epsilon}


def _steps(p, epsilon):
    # With another epsilon the step keeps its ratio to it.
    return {"epsilon": epsilon, "alpha": p.alpha * epsilon / p.epsilon, "steps": p.steps}


def _from_random_starts(p, epsilon):
    # From a random start the far rim of the ball is up to 2 epsilon away.
    steps = _steps(p, epsilon) | {"steps": 2 * p.steps}
    return steps | {"restarts": p.restarts, "seed": p.seed}


def _each_in_turn(p, epsilon):
    return _steps(p, epsilon) | {"restarts": p.restarts, "seed": p.seed}


def _strong(p, epsilon):
    steps = {"steps": p.strong_steps, "restarts": p.strong_restarts}
    return _one_step(p, epsilon) | steps | {"iterations": AUTO * p.strong_steps}


def _search(p, epsilon):
    limits = {"c_steps": p.lbfgs_c_steps, "max_iterations": p.lbfgs_iterations}
    return {"c_init": 1.0, **limits}


def _once_for_all(p, epsilon):
    # As few iterations as early implementations took.
    return {"c": 1.0, "max_iterations": max(1, p.lbfgs_iterations // FEWER)}


def _iterations(p, epsilon):
    return {"iterations": p.outside_iterations}


def _queries(p, epsilon):
    return _one_step(p, epsilon) | {"iterations": -(-p.queries // 10)}


def _own_steps(p, epsilon):
    return _one_step(p, epsilon) | {"steps": AUTO * p.strong_steps}


def _drawn(settings):
    """Add the run's seed to the settings of an attack that draws at random."""
    return lambda p, epsilon: settings(p, epsilon) | {"seed": p.seed}


# In the order of every figure and table.
ATTACKS = {
    attack.name: attack
    for attack in (
        Attack("none", "no attack", "none", "steps:nothing", _nothing),
        Attack("noise", "random noise", "noise", "steps:noise", _drawn(_one_step)),
        Attack("fgsm", "FGSM", "bounded", "steps:fgsm", _one_step),
        Attack("bim", "BIM", "bounded", "steps:bim", _steps),
        Attack("momentum_bim", "momentum BIM", "bounded", "momentum:momentum_bim", _steps),
        Attack("targeted_bim", "BIM, targeted", "bounded", "steps:towards_random_classes",
               _drawn(_steps)),
        Attack("pgd", "PGD", "bounded", "steps:pgd", _from_random_starts),
        Attack("worst", "worst of FGSM, BIM, PGD", "bounded", "robust:worst", _each_in_turn),
        Attack("strongest", "strongest of PGD, AutoPGD", "bounded", "robust:strongest",
               _drawn(_strong), _first_of_strong),
        Attack("lbfgs", "L-BFGS", "unbounded", "lbfgs_attack:towards_class", _drawn(_search), _some),
        Attack("untargeted_lbfgs", "L-BFGS, untargeted", "unbounded", "lbfgs_attack:lbfgs", _search,
               _some),
        Attack("joint_lbfgs", "L-BFGS, one c for all", "unbounded", "joint:joint_lbfgs",
               _drawn(_once_for_all), _some),
        Attack("square", "Square", "black box", "art:square", _drawn(_queries), _first),
        Attack("auto_pgd", "AutoPGD", "bounded", "apgd:auto_pgd", _drawn(_own_steps), _first),
        Attack("cw", "Carlini-Wagner", "unbounded", "art:cw", _drawn(_iterations), _first_of_cw),
    )
}  # fmt: skip


def named(name: str) -> Attack:
    """Get the attack of this name; ValueError, with the names there are, if there is none."""
    if name not in ATTACKS:
        raise ValueError(f"no attack {name!r}; there are {', '.join(ATTACKS)}")
    return ATTACKS[name]
