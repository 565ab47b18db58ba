"""Accuracy against the number of members, over random subsets of them, and what it would come to."""

from __future__ import annotations

from typing import Any

import numpy as np

DRAWS = 20


def subset_accuracies(
    logits: np.ndarray, y: np.ndarray, *, draws: int = DRAWS, seed: int = 0
) -> np.ndarray:
    """Accuracy of random ensembles of each size, with the mean vote.

    Which members come first is chance: the mean over subsets is free of it.

    Parameters
    ----------
    logits
        (members, images, classes).
    y
        Labels (images,).
    draws
        Subsets of each size, drawn without replacement within each; of all members there is one.

    Returns
    -------
    np.ndarray
        float64 (members, draws): row k is of ensembles of k + 1.
    """
    logits = logits.astype(np.float64)
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    generator, n = np.random.default_rng([seed, 11]), len(logits)
    found = np.empty((n, draws))
    for draw in range(draws):
        order = generator.permutation(
            n
        )  # nested: an ensemble of k + 1 is one of k and another member
        predicted = shares[order].cumsum(0).argmax(-1)
        found[:, draw] = (predicted == y).mean(-1)
    return found


def fit_curve(accuracies: np.ndarray) -> tuple[float, float]:
    """Least squares for accuracy = a + b / members; a is what endlessly many members would reach."""
    mean = accuracies.mean(-1)
    design = np.stack([np.ones(len(mean)), 1 / np.arange(1, len(mean) + 1)], axis=1)
    a, b = np.linalg.lstsq(design, mean, rcond=None)[0]
    return float(a), float(b)


def extrapolate(
    logits: np.ndarray, y: np.ndarray, *, seen: int, goal: int, seed: int = 0
) -> dict[str, Any]:
    """Fit the curve to the first `seen` members, test it on all, and say what `goal` would reach.

    Parameters
    ----------
    logits, y, seed
        As for :func:`subset_accuracies`.
    seen
        Members that the curve is fitted to, at least 3 and at most all.
    goal
        Members asked about.

    Returns
    -------
    dict
        ``a``, ``b``; ``at_all`` and ``measured_at_all``, the accuracy of all members from the curve and
        as measured; ``at_goal`` with ``low`` and ``high``, a 95 % jackknife interval over the `seen`
        members; ``mean``, ``sd`` of the subsets by size.
    """
    if not 3 <= seen <= len(logits):
        raise ValueError(f"seen = {seen}: from 3 to {len(logits)} members are possible")
    everything = subset_accuracies(logits, y, seed=seed)

    def at(members: np.ndarray, size: int) -> float:
        a, b = fit_curve(subset_accuracies(logits[members], y, seed=seed))
        return a + b / size

    known = np.arange(seen)
    a, b = fit_curve(subset_accuracies(logits[known], y, seed=seed))
    without = np.array([at(np.delete(known, k), goal) for k in known])
    spread = np.sqrt((seen - 1) / seen * ((without - without.mean()) ** 2).sum())
    at_goal = a + b / goal
    return {
        "a": a, "b": b, "seen": seen, "goal": goal, "at_all": a + b / len(logits),
        "measured_at_all": float(everything[-1].mean()), "at_goal": at_goal,
        "low": float(max(at_goal - 1.96 * spread, 0)), "high": float(min(at_goal + 1.96 * spread, 1)),
        "mean": everything.mean(-1).tolist(), "sd": everything.std(-1, ddof=1).tolist(),
    }  # fmt: skip
