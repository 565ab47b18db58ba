"""The projected solver on functions whose minima are known."""

import numpy as np
from scipy.optimize import fmin_l_bfgs_b, rosen, rosen_der

from helpers.attacks.lbfgs_solver import minimise


def quadratics(n=7, d=12, seed=0):
    """Separable quadratics with minima inside and outside the box, of very different curvature."""
    generator = np.random.default_rng(seed)
    curvature = 10.0 ** generator.uniform(-1, 2, (n, d))
    centre = generator.uniform(-0.7, 1.7, (n, d))

    def function(points, rows):
        away = points - centre[rows]
        return 0.5 * (curvature[rows] * away**2).sum(1), curvature[rows] * away

    return function, np.clip(centre, 0, 1)


def test_quadratics_with_active_bounds_reach_the_exact_answer():
    function, expected = quadratics()
    assert ((expected == 0) | (expected == 1)).any()
    start = np.full(expected.shape, 0.5)
    found, values = minimise(
        function, start, lower=0.0, upper=1.0, max_iterations=300, tolerance=1e-12
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(values, function(expected, np.arange(7))[0], atol=1e-8)


def test_a_coupled_quadratic_agrees_with_scipy():
    generator = np.random.default_rng(3)
    roots = generator.normal(size=(5, 10, 10))
    matrix = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(10)
    shift = generator.normal(size=(5, 10)) * 3

    def function(points, rows):
        product = np.einsum("ijk,ik->ij", matrix[rows], points)
        return 0.5 * (points * product).sum(1) - (shift[rows] * points).sum(1), product - shift[
            rows
        ]

    found, values = minimise(
        function, np.zeros((5, 10)), lower=-1.0, upper=1.0, max_iterations=500, tolerance=1e-12
    )
    for row in range(5):
        rows = np.array([row])
        _, best, _ = fmin_l_bfgs_b(
            lambda z, rows=rows: tuple(part[0] for part in function(z[None], rows)),
            np.zeros(10), bounds=[(-1, 1)] * 10, factr=10,
        )  # fmt: skip
        assert values[row] <= best + 1e-6
    assert np.abs(found).max() <= 1


def test_rosenbrock():
    def function(points, rows):
        return np.array([rosen(z) for z in points]), np.array([rosen_der(z) for z in points])

    start = np.array([[-1.2, 1.0, -1.2, 1.0], [0.0, 0.0, 0.0, 0.0]])
    found, values = minimise(
        function, start, lower=-2.0, upper=2.0, max_iterations=500, tolerance=1e-14
    )
    np.testing.assert_allclose(found, 1.0, atol=1e-3)
    assert (values < 1e-6).all()


def test_rows_are_independent():
    function, _ = quadratics()
    start = np.full((7, 12), 0.5)
    options = {"lower": 0.0, "upper": 1.0, "max_iterations": 20}
    together, _ = minimise(function, start, **options)
    for row in range(7):
        alone, _ = minimise(
            lambda points, rows, row=row: function(points, rows + row), start[[row]], **options
        )
        np.testing.assert_allclose(alone[0], together[row], atol=1e-12)


def test_values_never_rise_and_finished_rows_are_dropped():
    calls = []

    def function(points, rows):
        calls.append(len(rows))
        curvature = np.array([1.0, 1.0, 1.0])[rows, None]
        away = points - np.array([0.5, 0.2, 5.0])[rows, None]
        return (curvature * away**4).sum(1), 4 * curvature * away**3

    start = np.full((3, 2), 0.5)
    _, values = minimise(function, start, lower=0.0, upper=1.0, max_iterations=50)
    assert (values <= np.array([0, 2 * 0.3**4, 2 * 4.5**4]) + 1e-12).all()
    assert calls[0] == 3
    assert calls[-1] < 3
