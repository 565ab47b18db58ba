"""Projected L-BFGS for a batch of independent functions over a box.

Pure NumPy: what is minimised comes in as a function. Each row of the batch is a problem of its own, with
its own history, line search and end; they only share the calls.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Sufficient decrease (Armijo), and how many trial points a line search may use.
SUFFICIENT_DECREASE = 1e-4
MAX_TRIALS = 20
# Rows that have ended still take part in the linear algebra until they are this share of all.
DROP_SHARE = 0.1


def minimise(
    function: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    start: np.ndarray,
    *,
    lower: float,
    upper: float,
    max_iterations: int,
    memory: int = 8,
    tolerance: float = 1e-6,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise a batch of independent functions over a box.

    One call of `function` evaluates one trial point for every row that has not ended. Directions come
    from the L-BFGS recursion on the coordinates that are not held at a bound; trial points are
    projected on the box and accepted by Armijo's rule.

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
    state = _State(function, np.clip(start, lower, upper), memory)
    found_points, found_values = state.points.copy(), state.values.copy()
    fresh = np.ones(len(start), bool)  # rows that need a new direction
    while True:
        still = np.abs(np.clip(state.points - state.slopes, lower, upper) - state.points)
        state.ended |= fresh & (still.max(-1, initial=0) < tolerance)
        state.ended |= state.iterations >= max_iterations
        if state.ended.mean() > DROP_SHARE or state.ended.all():
            found_points[state.rows], found_values[state.rows] = state.points, state.values
            fresh = fresh[~state.ended]
            state.drop_ended()
        if not len(state.rows):
            return found_points, found_values
        fresh &= ~state.ended
        if fresh.any():
            _turn(state, fresh, lower, upper)
        fresh = _try(state, lower, upper, function, tolerance)


class _State:
    """Where each row stands."""

    def __init__(self, function, points, memory):
        n, d = points.shape
        self.rows = np.arange(n)
        self.points = points
        values, slopes = function(points, self.rows)
        self.values, self.slopes = values.astype(np.float64), np.array(slopes, points.dtype)
        self.direction = np.zeros_like(points)
        self.length = np.ones(n)
        self.trials = np.zeros(n, int)
        self.iterations = np.zeros(n, int)
        self.ended = np.zeros(n, bool)
        self.history = _History(n, d, memory, points.dtype)

    def drop_ended(self) -> None:
        keep = ~self.ended
        for name, value in vars(self).items():
            if name != "history":
                setattr(self, name, value[keep])
        self.history.keep(keep)


def _turn(state: _State, fresh: np.ndarray, lower: float, upper: float) -> None:
    """Give the rows in `fresh` a descent direction and a first step length."""
    points, slopes = state.points, state.slopes
    held = ((points <= lower) & (slopes > 0)) | ((points >= upper) & (slopes < 0))
    free = np.where(held, 0, slopes)
    direction = state.history.apply(free)
    np.negative(direction, out=direction)
    direction[held] = 0
    downhill = np.einsum("ij,ij->i", direction, free)
    size = np.einsum("ij,ij->i", free, free)
    uphill = fresh & ~(downhill < -1e-10 * size)  # true for NaN too
    direction[uphill] = -free[uphill]
    state.history.clear(uphill)
    state.direction[fresh] = direction[fresh]
    # Without a history nothing is known of the scale: move by one unit of length at most.
    first = np.minimum(1.0, 1.0 / np.sqrt(np.maximum(size, 1e-30)))
    state.length[fresh] = np.where(state.history.count == 0, first, 1.0)[fresh]
    state.trials[fresh] = 0


def _try(state: _State, lower, upper, function, tolerance) -> np.ndarray:
    """Evaluate one trial point for each row; returns which rows need a new direction."""
    alive = np.flatnonzero(~state.ended)
    length = state.length[alive, None].astype(state.points.dtype)
    trial = np.clip(state.points[alive] + length * state.direction[alive], lower, upper)
    value, slope = function(trial, state.rows[alive])
    value = value.astype(np.float64)
    moved = trial - state.points[alive]
    promised = np.einsum("ij,ij->i", state.slopes[alive], moved, dtype=np.float64)
    good = np.isfinite(value) & (promised < 0)
    good &= value <= state.values[alive] + SUFFICIENT_DECREASE * promised

    rows = alive[good]
    decrease = (state.values[rows] - value[good]) / np.maximum(np.abs(state.values[rows]), 1.0)
    state.history.add(rows, moved[good], slope[good] - state.slopes[rows])
    state.points[rows], state.values[rows] = trial[good], value[good]
    state.slopes[rows] = slope[good]
    state.iterations[rows] += 1
    state.ended[rows[decrease < tolerance]] = True

    bad = alive[~good]
    state.trials[bad] += 1
    state.length[bad] *= _shrink(value[~good] - state.values[bad], promised[~good])
    # Too short a step along an L-BFGS direction: once more along the gradient, then give up.
    stuck = np.zeros(len(state.rows), bool)
    stuck[bad] = state.trials[bad] >= MAX_TRIALS
    state.ended |= stuck & (state.history.count == 0)
    state.history.clear(stuck)
    fresh = stuck
    fresh[rows] = True
    return fresh


def _shrink(rise: np.ndarray, promised: np.ndarray) -> np.ndarray:
    """Factor on a refused step: the minimum of the parabola through both values, within limits."""
    curvature = rise - promised
    usable = np.isfinite(curvature) & (curvature > 0) & (promised < 0)
    factor = np.divide(-promised, 2 * curvature, out=np.full(len(rise), 0.25), where=usable)
    return np.clip(factor, 0.1, 0.5)


class _History:
    """The last steps and gradient changes of each row, with their inner products.

    The two-loop recursion runs on the inner products, so that the long vectors are read twice for a
    direction however long the history is.
    """

    def __init__(self, n: int, d: int, memory: int, dtype):
        self.memory = memory
        self.pairs = np.zeros((n, 2 * memory, d), dtype)  # steps, then gradient changes
        self.products = np.zeros((n, 2 * memory, 2 * memory))
        self.count = np.zeros(n, int)
        self.position = np.zeros(n, int)  # where the next pair goes

    def keep(self, rows: np.ndarray) -> None:
        for name in ("pairs", "products", "count", "position"):
            setattr(self, name, getattr(self, name)[rows])

    def clear(self, rows: np.ndarray) -> None:
        self.count[rows] = 0

    def add(self, rows: np.ndarray, step: np.ndarray, change: np.ndarray) -> None:
        """Keep the pairs of positive curvature; the others would spoil the model of the function."""
        product = np.einsum("ij,ij->i", step, change, dtype=np.float64)
        size = np.einsum("ij,ij->i", change, change, dtype=np.float64)
        kept = product > 1e-10 * size
        rows = rows[kept]
        if not len(rows):
            return
        place = self.position[rows]
        new = np.zeros((len(self.pairs), self.pairs.shape[-1], 2), self.pairs.dtype)
        new[rows, :, 0], new[rows, :, 1] = step[kept], change[kept]
        self.pairs[rows, place], self.pairs[rows, self.memory + place] = step[kept], change[kept]
        products = (self.pairs @ new)[rows]
        for column, place_of in ((0, place), (1, self.memory + place)):
            self.products[rows, :, place_of] = products[:, :, column]
            self.products[rows, place_of, :] = products[:, :, column]
        self.position[rows] = (place + 1) % self.memory
        self.count[rows] = np.minimum(self.count[rows] + 1, self.memory)

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Multiply each row's vector by its inverse Hessian: the two-loop recursion."""
        depth = int(self.count.max(initial=0))
        if not depth:
            return vectors.copy()
        memory, row = self.memory, np.arange(len(vectors))
        along = (self.pairs @ vectors[:, :, None])[:, :, 0].astype(np.float64)
        share = np.zeros((len(vectors), 2 * memory))  # of each step and change in the result
        weights = np.zeros((depth, len(vectors)))
        places = (self.position - 1 - np.arange(depth)[:, None]) % memory
        has = self.count > np.arange(depth)[:, None]

        def inner(which):
            return np.einsum("ij,ij->i", self.products[row, which], share)

        curvature = np.where(has, self.products[row, places, memory + places], 1.0)
        for age, place in enumerate(places):
            weights[age] = (along[row, place] + inner(place)) / curvature[age] * has[age]
            share[row, memory + place] -= weights[age]
        newest = memory + places[0]
        scale = curvature[0] / np.where(has[0], self.products[row, newest, newest], 1.0)
        share *= scale[:, None]
        along *= scale[:, None]
        for age in reversed(range(depth)):
            place = places[age]
            back = (along[row, memory + place] + inner(memory + place)) / curvature[age]
            share[row, place] += (weights[age] - back) * has[age]
        shares = share[:, None].astype(vectors.dtype)
        return (shares @ self.pairs)[:, 0] + scale[:, None].astype(vectors.dtype) * vectors
