"""The size at which an attack takes a share of what a network is right on: networks compared fairly.

A network that is right on few images has little to lose: at one epsilon, such networks look robust.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

RESAMPLES = 1000


def equal_share(
    epsilons: Sequence[float], accuracies: Sequence[float], share: float = 0.5
) -> float | None:
    """Find the epsilon at which an attack takes a share of what is right without it.

    Parameters
    ----------
    epsilons, accuracies
        From epsilon = 0 on, rising; straight lines are drawn between them.
    share
        Of the right answers, between 0 and 1.

    Returns
    -------
    float or None
        None if it takes less at every epsilon.
    """
    if not len(epsilons) or epsilons[0] != 0:
        raise ValueError("the sizes must begin with epsilon = 0, where nothing is lost")
    limit = (1 - share) * accuracies[0]
    for k in range(1, len(epsilons)):
        if accuracies[k] <= limit < accuracies[k - 1]:
            part = (accuracies[k - 1] - limit) / (accuracies[k - 1] - accuracies[k])
            return float(epsilons[k - 1] + part * (epsilons[k] - epsilons[k - 1]))
    return None


def with_interval(
    epsilons: Sequence[float], correct: np.ndarray, share: float = 0.5, seed: int = 0
) -> dict[str, float | None]:
    """The same with a 95 % bootstrap interval over images.

    Parameters
    ----------
    correct
        bool (sizes, images), the same images at each epsilon.

    Returns
    -------
    dict
        ``epsilon``, ``low``, ``high``; None where the attack takes less than the share.
    """
    generator, n = np.random.default_rng([seed, 12]), correct.shape[1]
    weights = generator.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n
    drawn = [equal_share(epsilons, row, share) for row in weights @ correct.T.astype(np.float64)]
    ends = [np.inf if value is None else value for value in drawn]
    low, high = np.quantile(ends, [0.025, 0.975], method="inverted_cdf")
    found = {"epsilon": equal_share(epsilons, correct.mean(1), share), "low": low, "high": high}
    return {k: None if v is None or np.isinf(v) else float(v) for k, v in found.items()}


def told(attack: str, found: Mapping[str, float | None]) -> str:
    """Say what :func:`with_interval` found of an attack."""
    epsilon, *ends = (found[name] for name in ("epsilon", "low", "high"))
    if epsilon is None:
        return f"{attack} takes less than half"
    low, high = ("beyond" if end is None else f"{end:.4f}" for end in ends)
    return f"{attack} takes half of the right answers at ε = {epsilon:.4f} [{low}, {high}]"
