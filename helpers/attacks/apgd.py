"""AutoPGD: projected gradient descent with momentum that chooses the size of its steps itself."""

from __future__ import annotations

import math

import keras
import numpy as np

from helpers.attacks.inputs import batches, check_count, check_images, check_sizes
from helpers.attacks.steps import random_start
from helpers.models import gradients

# As published: weight of the new direction, share of the steps that must raise the loss, when to look.
MOMENTUM, RISING = 0.75, 0.75
FIRST_LOOK, SHORTER, SHORTEST = 0.22, 0.03, 0.06


def auto_pgd(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    epsilon: float,
    steps: int,
    seed: int,
    restarts: int = 1,
    loss: str = "cross_entropy",
    batch_size: int = gradients.BATCH_SIZE,
    progress: str | None = None,
) -> np.ndarray:
    """Follow the gradient with momentum; halve an image's steps where they no longer raise its loss.

    z = clip_{x, epsilon}(x_k + eta * sign(grad loss(x_k, y)))
    x_{k+1} = clip_{x, epsilon}(x_k + 0.75 (z - x_k) + 0.25 (x_k - x_{k-1}))

    The size eta begins at 2 epsilon. At set times it is halved, and the image goes back to its best
    point, if less than 3/4 of the steps since the last time raised the loss, or neither eta nor the best
    loss has changed. An image that the model gets wrong is left as it is.

    Parameters
    ----------
    steps
        Number of steps, at least 1; 100 in the paper.
    restarts
        Number of random starts, at least 1, for images that are still right.
    seed
        Seed of the starts; each image has its own, whatever stands beside it.
    loss
        ``cross_entropy``, or ``dlr``, which no scale of the logits can flatten.

    The other parameters, the result and the errors are those of :func:`helpers.attacks.fgsm`; it is
    untargeted.

    References
    ----------
    Croce & Hein 2020, arXiv 2003.01690, algorithm 1.
    """
    check_images(model, x, y)
    check_sizes(epsilon=epsilon)
    check_count("steps", steps)
    check_count("restarts", restarts)
    call = gradients.loss_and_gradient(model, loss)
    x_adv, looks = x.copy(), set(_looks(steps))
    for rows in batches(len(x), batch_size, progress):
        left = np.arange(rows.start, rows.stop)
        for restart in range(restarts):
            start = random_start(x[left], epsilon, (seed, restart))
            x_adv[left], right = _climb(call, x[left], y[left], start, epsilon, steps, looks)
            left = left[right]
            if not len(left):
                break
    return x_adv


def _looks(steps: int) -> list[int]:
    """The steps after which the size is judged."""
    found, share, before = [], FIRST_LOOK, 0.0
    while share <= 1:
        found.append(math.ceil(round(share * steps, 6)))
        share, before = share + max(share - before - SHORTER, SHORTEST), share
    return found


def _climb(call, x, y, start, epsilon, steps, looks) -> tuple[np.ndarray, np.ndarray]:
    """One start of each image: its best point, and whether the model is right there."""
    epsilon = np.float32(epsilon)
    low, high = np.maximum(x - epsilon, 0), np.minimum(x + epsilon, 1)
    losses, slopes, logits = call(start, y)
    best, best_loss, right = start.copy(), losses.copy(), logits.argmax(-1) == y
    left = np.flatnonzero(right)  # those that still go on; what follows is of them only
    n, now, before, slopes, losses = len(left), start[left], start[left], slopes[left], losses[left]
    size, best_at_look = np.full(n, 2 * epsilon, np.float32), losses.copy()
    rises, halved, since = np.zeros(n, int), np.ones(n, bool), 0
    for step in range(1, steps + 1):
        if not len(left):
            break
        there = np.clip(now + size[:, None, None, None] * np.sign(slopes), low[left], high[left])
        weight = np.float32(1.0 if step == 1 else MOMENTUM)
        new = now + weight * (there - now) + (1 - weight) * (now - before)
        before, now = now, np.clip(new, low[left], high[left])
        after, slopes, logits = call(now, y[left])
        rises, losses, since = rises + (after > losses), after, since + 1
        wrong = logits.argmax(-1) != y[left]
        better = wrong | (losses > best_loss[left])
        best[left[better]], best_loss[left[better]] = now[better], losses[better]
        right[left[wrong]] = False
        if step in looks:
            stuck = ~halved & (best_loss[left] <= best_at_look)
            halved = (rises < RISING * since) | stuck
            size[halved] /= 2
            now[halved] = before[halved] = best[left[halved]]
            best_at_look, since = best_loss[left].copy(), 0
            rises[:] = 0
            again = np.flatnonzero(halved & ~wrong)
            if len(again):  # their gradient there
                losses[again], slopes[again], _ = call(now[again], y[left[again]])
        keep = ~wrong
        left, now, before, slopes, losses, size, rises, halved, best_at_look = (
            part[keep]
            for part in (left, now, before, slopes, losses, size, rises, halved, best_at_look)
        )
    return best, right
