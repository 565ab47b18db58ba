"""The L-BFGS attack of Szegedy et al., in batches: a search on the constant c around the solver."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from helpers.attacks.inputs import (
    Crafted,
    batches,
    check_count,
    check_images,
    check_labels,
    check_positive,
    random_targets,
)
from helpers.attacks.lbfgs_solver import minimise
from helpers.models import gradients

# Steps of the search for the class boundary on the line to the original image, at the end.
HALVINGS = 10


@dataclass(frozen=True)
class LbfgsResult(Crafted):
    """What the L-BFGS attack found: as every attack, and further

    Attributes
    ----------
    c
        float64 (n,): the constant under which the image was found; NaN for a failed row.
    l2
        float64 (n,): L2 norm of the perturbation; NaN for a failed row.
    """

    c: np.ndarray
    l2: np.ndarray


def lbfgs(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    targets: np.ndarray | None = None,
    c_init: float = 1.0,
    c_steps: int = 8,
    max_iterations: int = 50,
    tolerance: float = 1e-4,
    n_candidates: int = 3,
    batch_size: int = gradients.BATCH_SIZE,
    progress: str | None = None,
) -> LbfgsResult:
    """Find the nearest image of another class (box-constrained L-BFGS attack).

    Minimises  c * ||x' - x||_2^2 + cross_entropy(logits(x'), t)  over x' in [0, 1], and searches
    the largest c that still succeeds: by factors of ten until one value succeeds and one fails, then
    by geometric bisection. Of all points ever evaluated, each image keeps the nearest success, which
    is in the end drawn towards the original as far as the class boundary allows.

    Parameters
    ----------
    model
        A Keras model, or an ensemble, that returns logits.
    x, y
        Images, float32 (n, height, width, channels), and their true labels, int32 (n,).
    targets
        int32 (n,): the class to reach for each image, or None for the untargeted attack: the
        nearest success over the `n_candidates` classes that the model holds likeliest, without `y`.
    c_init, c_steps
        First value of c, and how many values are tried.
    max_iterations, tolerance
        Most steps of the solver for each c, and the relative decrease at which it stops: on MNIST,
        1e-4 takes two fifths of the gradients of 1e-6 for a mean distortion 0.1 % larger.
    n_candidates
        Most classes tried by the untargeted attack.
    batch_size, progress
        As for :func:`helpers.attacks.bim`.

    Raises
    ------
    ValueError
        If shapes, types or values do not fit, before anything is computed.

    References
    ----------
    Szegedy et al. 2014, arXiv 1312.6199, section 4.1; their c stands on the norm, as here. The squared
    norm has the same stationary points and is smooth at the start.
    """
    check_images(model, x, y)
    check_positive(c_init=c_init, tolerance=tolerance)
    for name, value in (
        ("c_steps", c_steps),
        ("max_iterations", max_iterations),
        ("n_candidates", n_candidates),
    ):
        check_count(name, value)
    if targets is None:
        return _untargeted(
            model, x, y, n_candidates, c_init=c_init, c_steps=c_steps,
            max_iterations=max_iterations, tolerance=tolerance, batch_size=batch_size,
            progress=progress,
        )  # fmt: skip
    check_labels(targets, len(x), model.output_shape[-1], "targets")
    result = _failures(x)
    for rows in batches(len(x), batch_size, progress):
        limits = {"max_iterations": max_iterations, "tolerance": tolerance}
        search = _Search(model, x[rows], targets[rows], **limits)
        found = search.run(c_init, c_steps)
        for whole, part in zip(vars(result).values(), vars(found).values(), strict=True):
            whole[rows] = part
    return result


def towards_class(model, x, y, *, seed: int, target: int | None = None, **settings) -> LbfgsResult:
    """:func:`lbfgs` towards one class or, if `target` is None, a class drawn for each image."""
    drawn = random_targets(y, model.output_shape[-1], seed)
    targets = drawn if target is None else np.full(len(y), target, np.int32)
    return lbfgs(model, x, y, targets=targets, **settings)


def _failures(x: np.ndarray) -> LbfgsResult:
    n = len(x)
    return LbfgsResult(x.copy(), np.zeros(n, bool), np.full(n, np.nan), np.full(n, np.nan))


def _untargeted(model, x, y, n_candidates, **options) -> LbfgsResult:
    scores = gradients.logits(model, x)
    scores[np.arange(len(y)), y] = -np.inf
    order = np.argsort(-scores, axis=-1, kind="stable").astype(np.int32)
    best = _failures(x)
    for rank in range(min(n_candidates, scores.shape[-1] - 1)):
        found = lbfgs(model, x, y, targets=np.ascontiguousarray(order[:, rank]), **options)
        nearer = found.success & ~(best.l2 <= found.l2)
        for whole, part in zip(vars(best).values(), vars(found).values(), strict=True):
            whole[nearer] = part[nearer]
    return best


class CSearch:
    """The search for each row's largest c that succeeds: by factors of ten, then by bisection.

    Attributes
    ----------
    c
        float64 (n,): the constants to try next.
    """

    def __init__(self, n: int, c_init: float):
        self.c = np.full(n, float(c_init))
        self.succeeded, self.failed = np.zeros(n), np.full(n, np.inf)

    def note(self, hit: np.ndarray) -> None:
        """Take in which rows, bool (n,), succeeded with their `c`, and choose the next."""
        self.succeeded[hit] = np.maximum(self.succeeded[hit], self.c[hit])
        self.failed[~hit] = np.minimum(self.failed[~hit], self.c[~hit])
        only_hits, only_misses = np.isinf(self.failed), self.succeeded == 0
        between = np.sqrt(self.succeeded * np.where(only_hits, 1.0, self.failed))
        down = np.where(only_misses, self.c / 10, between)
        self.c = np.where(only_hits, self.c * 10, down)


class _Search:
    """The search on c for one batch, and the nearest success seen so far."""

    def __init__(self, model, x, targets, **limits):
        self.model, self.call = model, gradients.loss_and_gradient(model)
        self.shape, self.targets, self.limits = x.shape, targets, limits
        self.x = x.reshape(len(x), -1)
        self.best = _failures(x)
        self.best.l2[:] = np.inf

    def run(self, c_init: float, c_steps: int) -> LbfgsResult:
        search = CSearch(len(self.x), c_init)
        points = self.x
        for _ in range(c_steps):
            # From where the last one ended: the minimum moves little with c.
            points, hit = self._solve(points, search.c)
            search.note(hit)
        self._draw_in()
        self.best.l2[~self.best.success] = np.nan
        return self.best

    def _solve(self, start: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Minimise for each image's own c; tell which minima are of the target class."""

        def objective(points, rows):
            images = points.reshape(-1, *self.shape[1:])
            losses, slopes, scores = self.call(images, self.targets[rows])
            change = points - self.x[rows]
            squares = np.einsum("ij,ij->i", change, change, dtype=np.float64)
            self._keep(images, rows, np.sqrt(squares), scores, c[rows])
            pull = (2 * c[rows, None]).astype(np.float32) * change
            return c[rows] * squares + losses, slopes.reshape(len(rows), -1) + pull

        points, _ = minimise(objective, start, lower=0.0, upper=1.0, **self.limits)
        # Not the points passed on the way: an overshooting step reaches the target for any c.
        scores = gradients.logits(self.model, points.reshape(self.shape))
        return points, scores.argmax(-1) == self.targets

    def _draw_in(self) -> None:
        """Move each success along the line to its original for as long as it stays one."""
        rows = np.flatnonzero(self.best.success)
        if not len(rows):
            return
        x, away = self.x[rows], self.best.x_adv[rows].reshape(len(rows), -1) - self.x[rows]
        low, high = np.zeros(len(rows)), np.ones(len(rows))
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            points = np.clip(x + middle[:, None].astype(np.float32) * away, 0, 1)
            images = points.reshape(-1, *self.shape[1:])
            scores = gradients.logits(self.model, images)
            l2 = np.linalg.norm(points - x, axis=1)
            self._keep(images, rows, l2, scores, self.best.c[rows])
            hit = scores.argmax(-1) == self.targets[rows]
            low, high = np.where(hit, low, middle), np.where(hit, middle, high)

    def _keep(self, images, rows, l2, scores, c) -> None:
        nearer = (scores.argmax(-1) == self.targets[rows]) & (l2 < self.best.l2[rows])
        chosen = rows[nearer]
        self.best.x_adv[chosen] = images[nearer]
        self.best.l2[chosen] = l2[nearer]
        self.best.c[chosen] = c[nearer]
        self.best.success[chosen] = True
