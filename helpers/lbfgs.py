"""The L-BFGS attack of Szegedy et al., in batches.

Two things stand here: a solver that minimises many independent box-constrained functions at once, and
the attack, which searches the constant c around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from helpers import gradients
from helpers.attacks import batches, check_images, check_labels

# Sufficient decrease (Armijo), and how many trial points a line search may use.
SUFFICIENT_DECREASE = 1e-4
MAX_TRIALS = 20


def minimise(
    function: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    start: np.ndarray,
    *,
    lower: float,
    upper: float,
    max_iterations: int,
    memory: int = 10,
    tolerance: float = 1e-6,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise a batch of independent functions over a box by projected L-BFGS.

    Each row has its own history, its own line search and its own end; one call of `function`
    evaluates one trial point for every row that is still alive. Directions come from the two-loop
    recursion on the pixels that are not held at a bound; trial points are projected on the box.

    Parameters
    ----------
    function
        ``function(points, rows) -> (values, gradients)`` for the points (m, d) of the given row
        numbers (m,); values (m,), gradients (m, d).
    start
        Starting points (n, d), float; clipped to the box.
    lower, upper
        The box, the same for every coordinate.
    max_iterations
        Most accepted steps of a row.
    memory
        Pairs of steps and gradient changes kept for each row.
    tolerance
        A row ends when its projected gradient's largest entry, or its relative decrease over a step,
        is below this.

    Returns
    -------
    (points, values)
        The best points found (n, d), inside the box exactly, and their values (n,).

    References
    ----------
    Nocedal & Wright 2006, Numerical Optimization, algorithm 7.4; Bertsekas 1982 for the projection.
    """
    points = np.clip(start, lower, upper)
    n, d = points.shape
    alive = np.arange(n)
    values, slopes = function(points, alive)
    values, slopes = values.astype(np.float64), slopes.copy()
    history = _History(n, d, memory, points.dtype)
    direction = np.zeros_like(points)
    length = np.ones(n)
    trials = np.zeros(n, int)
    iterations = np.zeros(n, int)
    fresh = np.ones(n, bool)  # rows that need a new direction

    while len(alive):
        new = alive[fresh[alive]]
        if len(new):
            stop = _projected(slopes[new], points[new], lower, upper) < tolerance
            stop |= iterations[new] >= max_iterations
            alive = np.setdiff1d(alive, new[stop], assume_unique=True)
            new = new[~stop]
            if not len(alive):
                break
            direction[new], length[new] = _directions(
                history, new, points[new], slopes[new], lower, upper
            )
            trials[new], fresh[new] = 0, False
        step = length[alive, None].astype(points.dtype) * direction[alive]
        trial = np.clip(points[alive] + step, lower, upper)
        value, slope = function(trial, alive)
        value = value.astype(np.float64)
        moved = trial - points[alive]
        promised = np.einsum("ij,ij->i", slopes[alive], moved, dtype=np.float64)
        good = np.isfinite(value) & (value <= values[alive] + SUFFICIENT_DECREASE * promised)
        good &= promised < 0

        rows = alive[good]
        decrease = (values[rows] - value[good]) / np.maximum(np.abs(values[rows]), 1.0)
        history.add(rows, moved[good], slope[good] - slopes[rows])
        points[rows], values[rows], slopes[rows] = trial[good], value[good], slope[good]
        iterations[rows] += 1
        fresh[rows] = True

        bad = alive[~good]
        trials[bad] += 1
        length[bad] *= _shrink(value[~good] - values[bad], promised[~good])
        # Too short a step along an L-BFGS direction: once more along the gradient, then give up.
        stuck = bad[trials[bad] >= MAX_TRIALS]
        again = stuck[history.count[stuck] > 0]
        history.clear(again)
        fresh[again] = True
        over = np.union1d(rows[decrease < tolerance], np.setdiff1d(stuck, again))
        alive = np.setdiff1d(alive, over, assume_unique=True)
    return points, values


def _projected(slopes, points, lower, upper) -> np.ndarray:
    """Largest entry of the projected gradient of each row: zero at a constrained minimum."""
    return np.abs(np.clip(points - slopes, lower, upper) - points).max(-1)


def _directions(history, rows, points, slopes, lower, upper) -> tuple[np.ndarray, np.ndarray]:
    """Descent directions and first step lengths."""
    held = ((points <= lower) & (slopes > 0)) | ((points >= upper) & (slopes < 0))
    free = np.where(held, 0, slopes)
    direction = -history.apply(rows, free)
    direction[held] = 0
    downhill = np.einsum("ij,ij->i", direction, free)
    size = np.einsum("ij,ij->i", free, free)
    uphill = ~(downhill < -1e-10 * size)  # true for NaN too
    direction[uphill] = -free[uphill]
    history.clear(rows[uphill])
    # Without a history nothing is known of the scale: move by one unit of length at most.
    first = history.count[rows] == 0
    length = np.where(first, np.minimum(1.0, 1.0 / np.sqrt(np.maximum(size, 1e-30))), 1.0)
    return direction, length


def _shrink(rise: np.ndarray, promised: np.ndarray) -> np.ndarray:
    """Factor on a refused step: the minimum of the parabola through both values, within limits."""
    curvature = rise - promised
    usable = np.isfinite(curvature) & (curvature > 0) & (promised < 0)
    factor = np.divide(-promised, 2 * curvature, out=np.full(len(rise), 0.25), where=usable)
    return np.clip(factor, 0.1, 0.5)


class _History:
    """The last pairs of steps and gradient changes of each row, newest first by `_order`."""

    def __init__(self, n: int, d: int, memory: int, dtype):
        self.steps = np.zeros((n, memory, d), dtype)
        self.changes = np.zeros((n, memory, d), dtype)
        self.products = np.ones((n, memory))
        self.count = np.zeros(n, int)
        self.position = np.zeros(n, int)
        self.memory = memory

    def clear(self, rows: np.ndarray) -> None:
        self.count[rows] = 0

    def add(self, rows: np.ndarray, step: np.ndarray, change: np.ndarray) -> None:
        """Keep the pairs of positive curvature; the others would spoil the model of the function."""
        product = np.einsum("ij,ij->i", step, change, dtype=np.float64)
        size = np.einsum("ij,ij->i", change, change, dtype=np.float64)
        keep = product > 1e-10 * size
        rows, place = rows[keep], self.position[rows[keep]]
        self.steps[rows, place], self.changes[rows, place] = step[keep], change[keep]
        self.products[rows, place] = product[keep]
        self.position[rows] = (place + 1) % self.memory
        self.count[rows] = np.minimum(self.count[rows] + 1, self.memory)

    def apply(self, rows: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Multiply by the inverse Hessian of the history: the two-loop recursion, for all rows."""
        result = vector.copy()
        depth = int(self.count[rows].max(initial=0))
        weights = np.zeros((len(rows), depth))
        for age in range(depth):
            place, has = self._pair(rows, age)
            step, change = self.steps[rows, place], self.changes[rows, place]
            weight = np.einsum("ij,ij->i", step, result) / self.products[rows, place] * has
            weights[:, age] = weight
            result -= (weight[:, None] * change).astype(result.dtype)
            if age == 0:
                size = np.einsum("ij,ij->i", change, change)
                scale = np.where(has, self.products[rows, place] / np.maximum(size, 1e-30), 1.0)
        if depth:
            result *= scale[:, None].astype(result.dtype)
        for age in reversed(range(depth)):
            place, has = self._pair(rows, age)
            step, change = self.steps[rows, place], self.changes[rows, place]
            weight = np.einsum("ij,ij->i", change, result) / self.products[rows, place] * has
            result += ((weights[:, age] - weight) * has)[:, None].astype(result.dtype) * step
        return result

    def _pair(self, rows: np.ndarray, age: int) -> tuple[np.ndarray, np.ndarray]:
        return (self.position[rows] - 1 - age) % self.memory, self.count[rows] > age


@dataclass(frozen=True)
class LbfgsResult:
    """What the L-BFGS attack found.

    Attributes
    ----------
    x_adv
        float32 like the images. A failed row holds the original image.
    success
        bool (n,): whether the row is an adversarial example.
    c
        float64 (n,): the constant under which the image was found; NaN for a failed row.
    l2
        float64 (n,): L2 norm of the perturbation; NaN for a failed row.
    """

    x_adv: np.ndarray
    success: np.ndarray
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
    n_candidates: int = 3,
    bounds: tuple[float, float] = (0.0, 1.0),
    batch_size: int = gradients.BATCH_SIZE,
    progress: str | None = None,
) -> LbfgsResult:
    """Find the nearest image of another class (box-constrained L-BFGS attack).

    Minimises  c * ||x' - x||_2^2 + cross_entropy(logits(x'), t)  over x' within `bounds`, and searches
    the largest c that still succeeds: by factors of ten until one value succeeds and one fails, then
    by geometric bisection. Of all points ever evaluated, each image keeps the nearest success.

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
    max_iterations
        Most steps of the solver for each c.
    n_candidates
        Classes tried by the untargeted attack.
    bounds, batch_size, progress
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
    check_images(model, x, y, bounds)
    if not (np.isfinite(c_init) and c_init > 0):
        raise ValueError(f"c_init = {c_init}: a finite number above 0 is needed")
    for name, value in (("c_steps", c_steps), ("max_iterations", max_iterations)):
        if value < 1:
            raise ValueError(f"{name} = {value}: at least 1 is needed")
    if targets is None:
        return _untargeted(
            model, x, y, n_candidates, c_init=c_init, c_steps=c_steps, bounds=bounds,
            max_iterations=max_iterations, batch_size=batch_size, progress=progress,
        )  # fmt: skip
    check_labels(targets, len(x), model.output_shape[-1], "targets")
    result = _failures(x)
    for rows in batches(len(x), batch_size, progress):
        search = _Search(model, x[rows], targets[rows], bounds)
        found = search.run(c_init, c_steps, max_iterations)
        for whole, part in zip(vars(result).values(), vars(found).values(), strict=True):
            whole[rows] = part
    return result


def _failures(x: np.ndarray) -> LbfgsResult:
    n = len(x)
    return LbfgsResult(x.copy(), np.zeros(n, bool), np.full(n, np.nan), np.full(n, np.nan))


def _untargeted(model, x, y, n_candidates, **options) -> LbfgsResult:
    n_classes = model.output_shape[-1]
    if not 1 <= n_candidates < n_classes:
        raise ValueError(
            f"n_candidates = {n_candidates}: from 1 to {n_classes - 1} other classes can be tried"
        )
    scores = gradients.logits(model, x)
    scores[np.arange(len(y)), y] = -np.inf
    order = np.argsort(-scores, axis=-1, kind="stable").astype(np.int32)
    best = _failures(x)
    for rank in range(n_candidates):
        found = lbfgs(model, x, y, targets=np.ascontiguousarray(order[:, rank]), **options)
        nearer = found.success & ~(best.l2 <= found.l2)
        for whole, part in zip(vars(best).values(), vars(found).values(), strict=True):
            whole[nearer] = part[nearer]
    return best


class _Search:
    """The search on c for one batch, and the nearest success seen so far."""

    def __init__(self, model, x, targets, bounds):
        self.model, self.call = model, gradients.loss_and_gradient(model)
        self.shape, self.targets, self.bounds = x.shape, targets, bounds
        self.x = x.reshape(len(x), -1)
        self.best = _failures(x)
        self.best.l2[:] = np.inf

    def run(self, c_init: float, c_steps: int, max_iterations: int) -> LbfgsResult:
        n = len(self.x)
        c = np.full(n, float(c_init))
        succeeded, failed = np.zeros(n), np.full(n, np.inf)
        for _ in range(c_steps):
            hit = self._solve(c, max_iterations)
            succeeded[hit] = np.maximum(succeeded[hit], c[hit])
            failed[~hit] = np.minimum(failed[~hit], c[~hit])
            only_hits, only_misses = np.isinf(failed), succeeded == 0
            between = np.sqrt(succeeded * np.where(only_hits, 1.0, failed))
            c = np.where(only_hits, c * 10, np.where(only_misses, c / 10, between))
        self.best.l2[~self.best.success] = np.nan
        return self.best

    def _solve(self, c: np.ndarray, max_iterations: int) -> np.ndarray:
        """Minimise for each image's own c; tell which minima are of the target class."""

        def objective(points, rows):
            images = points.reshape(-1, *self.shape[1:])
            losses, slopes, scores = self.call(images, self.targets[rows])
            change = points - self.x[rows]
            squares = np.einsum("ij,ij->i", change, change, dtype=np.float64)
            reached = scores.argmax(-1) == self.targets[rows]
            self._keep(images, rows, np.sqrt(squares), reached, c[rows])
            slopes = slopes.reshape(len(rows), -1)
            slopes = slopes + (2 * c[rows, None]).astype(np.float32) * change
            return c[rows] * squares + losses, slopes

        low, high = self.bounds
        points, _ = minimise(
            objective, self.x, lower=low, upper=high, max_iterations=max_iterations
        )
        # Not the points passed on the way: an overshooting step reaches the target for any c.
        scores = gradients.logits(self.model, points.reshape(self.shape))
        return scores.argmax(-1) == self.targets

    def _keep(self, images, rows, l2, reached, c) -> None:
        nearer = reached & (l2 < self.best.l2[rows])
        chosen = rows[nearer]
        self.best.x_adv[chosen] = images[nearer]
        self.best.l2[chosen] = l2[nearer]
        self.best.c[chosen] = c[nearer]
        self.best.success[chosen] = True
