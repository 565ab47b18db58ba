import numpy as np
import pytest
from scipy.optimize import fmin_l_bfgs_b, rosen, rosen_der
from small_models import SHAPE, blobs, images, linear_model, small_network

from helpers.models import gradients
from helpers.evaluation import check_adversarial
from helpers.attacks.lbfgs_attack import lbfgs
from helpers.models.training import train
from helpers.attacks.lbfgs_solver import minimise

Y = np.arange(12, dtype=np.int32) % 3


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


def nearest(model, x, target):
    """Closed form for a linear model of two classes: |w x + b| / ||w||."""
    weights, bias = (part.astype(np.float64) for part in model.get_weights())
    normal = weights[:, target] - weights[:, 1 - target]
    offset = bias[target] - bias[1 - target]
    return np.abs(x.reshape(len(x), -1) @ normal + offset) / np.linalg.norm(normal)


@pytest.mark.parametrize("targeted", [True, False])
def test_distance_on_a_linear_model_is_the_closed_form(targeted):
    model = linear_model(n_classes=2, scale=3.0)
    weights = model.get_weights()[0]
    model.set_weights([weights, -0.5 * weights.sum(0)])  # the boundary goes through the images
    x = images(20)
    y = gradients.logits(model, x).argmax(-1).astype(np.int32)
    targets = (1 - y).astype(np.int32) if targeted else None
    result = lbfgs(model, x, y, targets=targets, c_steps=25, max_iterations=200, n_candidates=1)
    exact = np.array([nearest(model, x[[i]], 1 - y[i])[0] for i in range(20)])
    inside = exact < 0.3  # farther ones meet the box, where the formula does not hold
    assert inside.sum() >= 5
    assert result.success.all()
    np.testing.assert_allclose(result.l2[inside], exact[inside], rtol=0.01)
    assert (result.l2 >= exact - 1e-4).all()


def test_result_is_adversarial_in_the_box_and_says_what_it_is():
    model, x = small_network(), images()
    y = gradients.logits(model, x).argmax(-1).astype(np.int32)
    targets = ((y + 1) % 3).astype(np.int32)
    result = lbfgs(model, x, y, targets=targets, c_steps=6, max_iterations=40)
    check_adversarial(x, result.x_adv)
    hit = result.success
    assert hit.any()
    np.testing.assert_array_equal(
        gradients.logits(model, result.x_adv).argmax(-1)[hit], targets[hit]
    )
    l2 = np.linalg.norm((result.x_adv - x).reshape(12, -1), axis=1)
    np.testing.assert_allclose(result.l2[hit], l2[hit], rtol=1e-4)
    assert (result.c[hit] > 0).all()


def test_failed_rows_hold_the_original_and_say_so():
    model = linear_model(n_classes=3)
    weights, _ = model.get_weights()
    model.set_weights([0 * weights, np.array([5.0, 0.0, 0.0], np.float32)])  # always class 0
    x, y = images(), np.zeros(12, np.int32)
    result = lbfgs(model, x, y, targets=np.ones(12, np.int32), c_steps=3, max_iterations=5)
    assert not result.success.any()
    np.testing.assert_array_equal(result.x_adv, x)
    assert np.isnan(result.c).all()
    assert np.isnan(result.l2).all()


@pytest.fixture(scope="module")
def trained():
    x, y = blobs()
    model = small_network()
    train(model, x, y, epochs=10, batch_size=32, learning_rate=0.01, patience=9,
          validation_fraction=0.2, seed=0)  # fmt: skip
    return model, x[:12], y[:12]


def test_batch_size_and_order_matter_no_more_than_rounding(trained):
    model, x, y = trained
    targets = ((y + 1) % 3).astype(np.int32)
    options = {"c_steps": 8, "max_iterations": 60}
    whole = lbfgs(model, x, y, targets=targets, **options)
    assert whole.success.all()
    single = lbfgs(model, x, y, targets=targets, batch_size=1, **options)
    order = np.random.default_rng(0).permutation(12)
    mixed = lbfgs(model, x[order], y[order], targets=targets[order], **options)
    # The rounding of other batches, grown over the iterations.
    np.testing.assert_allclose(single.x_adv, whole.x_adv, atol=1e-3)
    np.testing.assert_allclose(mixed.x_adv, whole.x_adv[order], atol=1e-3)


def test_untargeted_leaves_the_label_and_is_no_farther_than_any_single_target():
    model, x = small_network(), images()
    y = gradients.logits(model, x).argmax(-1).astype(np.int32)
    options = {"c_steps": 5, "max_iterations": 30}
    free = lbfgs(model, x, y, n_candidates=2, **options)
    assert (gradients.logits(model, free.x_adv).argmax(-1) != y)[free.success].all()
    for shift in (1, 2):
        aimed = lbfgs(model, x, y, targets=((y + shift) % 3).astype(np.int32), **options)
        both = free.success & aimed.success
        assert (free.l2[both] <= aimed.l2[both] + 1e-5).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c_init": 0.0}, "c_init = 0.0"),
        ({"c_steps": 0}, "c_steps = 0"),
        ({"max_iterations": 0}, "max_iterations = 0"),
        ({"targets": np.full(12, 3, np.int32)}, "targets holds labels"),
        ({"targets": Y[:3]}, "targets must be"),
        ({"n_candidates": 3}, "from 1 to 2"),
        ({"x": np.zeros((12, *SHAPE))}, "float32"),
    ],
)
def test_bad_input_is_refused(change, message):
    good = {"x": images(), "y": Y, "targets": None}
    with pytest.raises(ValueError, match=message):
        lbfgs(linear_model(), **{**good, **change})


def test_no_images():
    result = lbfgs(linear_model(), images()[:0], Y[:0], targets=Y[:0])
    assert result.x_adv.shape == (0, *SHAPE)
