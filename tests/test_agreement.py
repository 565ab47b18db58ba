"""Agreement with adversarial-robustness-toolbox and scipy, on a small trained network."""

import numpy as np
import pytest
from scipy.optimize import fmin_l_bfgs_b
from small_models import blobs, linear_model, small_network

from helpers.attacks import steps
from helpers.models import gradients
from helpers.models import networks, training
from helpers.attacks.lbfgs_attack import lbfgs

EPSILON, ALPHA, STEPS = 0.1, 0.03, 5
# What the two compute may differ by, where the gradient is not numerically zero.
CLOSE = 2e-6


@pytest.fixture(scope="module")
def trained():
    x, y = blobs()
    model = small_network()
    training.train(
        model, x, y, epochs=8, batch_size=32, learning_rate=0.01, patience=8,
        validation_fraction=0.2, seed=0,
    )  # fmt: skip
    return model, x[:60], y[:60]


@pytest.fixture(scope="module", params=["trained", "linear"])
def subject(request, trained):
    if request.param == "trained":
        return trained
    return linear_model(scale=2.0), trained[1], trained[2]


@pytest.fixture(scope="module")
def estimator(subject):
    keras = pytest.importorskip("keras")
    estimators = pytest.importorskip("art.estimators.classification")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = subject[0]
    return estimators.TensorFlowV2Classifier(
        model=model, nb_classes=3, input_shape=model.input_shape[1:], loss_object=loss,
        clip_values=(0.0, 1.0),
    )  # fmt: skip


def theirs(estimator, attack, x, y, norm, targeted):
    evasion = pytest.importorskip("art.attacks.evasion")
    order = {"linf": np.inf, "l2": 2}[norm]
    common = {"norm": order, "eps": EPSILON, "targeted": targeted, "batch_size": 16}
    if attack == "fgsm":
        made = evasion.FastGradientMethod(estimator, **common)
    else:
        # ART's BasicIterativeMethod knows no norm; its PGD without random start is the same method.
        made = evasion.ProjectedGradientDescent(
            estimator, eps_step=ALPHA, max_iter=STEPS, num_random_init=0, verbose=False, **common
        )
    return made.generate(x, y=np.eye(3, dtype=np.float32)[y])


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("attack", ["fgsm", "bim"])
def test_pixels_are_those_of_art(subject, estimator, attack, norm, targeted):
    model, x, y = subject
    labels = ((y + 1) % 3).astype(np.int32) if targeted else y
    options = {"epsilon": EPSILON, "targeted": targeted, "norm": norm}
    if attack == "fgsm":
        ours = steps.fgsm(model, x, labels, **options)
    else:
        ours = steps.bim(model, x, labels, alpha=ALPHA, steps=STEPS, **options)
    expected = theirs(estimator, attack, x, labels, norm, targeted)
    slopes = gradients.loss_and_gradient(model)(x, labels)[1]
    certain = np.abs(slopes) > 1e-6
    assert certain.mean() > 0.8
    away = np.abs(ours - expected)
    if attack == "bim":
        # A later step may meet a zero gradient even where the first does not.
        assert (away[certain] > CLOSE).mean() < 0.01
    else:
        assert away[certain].max() < CLOSE


def test_bim_is_arts_basic_iterative_method(subject, estimator):
    evasion = pytest.importorskip("art.attacks.evasion")
    model, x, y = subject
    made = evasion.BasicIterativeMethod(
        estimator, eps=EPSILON, eps_step=ALPHA, max_iter=STEPS, batch_size=16, verbose=False
    )
    expected = made.generate(x, y=np.eye(3, dtype=np.float32)[y])
    ours = steps.bim(model, x, y, epsilon=EPSILON, alpha=ALPHA, steps=STEPS)
    assert (np.abs(ours - expected) > CLOSE).mean() < 0.01


def nearest_by_scipy(model, x, target, c_values, max_iterations=100):
    """Smallest distance at which scipy's L-BFGS-B, one image at a time, reaches the target."""
    call = gradients.loss_and_gradient(model)
    labels = np.array([target], np.int32)
    best = np.inf
    for c in c_values:

        def objective(z, c=c):
            nonlocal best
            point = z.reshape(x.shape).astype(np.float32)
            loss, slope, scores = call(point, labels)
            change = z - x.ravel()
            if scores.argmax() == target:
                best = min(best, np.linalg.norm(change))
            return c * change @ change + float(loss[0]), 2 * c * change + slope.ravel()

        start = x.ravel().astype(np.float64)
        fmin_l_bfgs_b(objective, start, bounds=[(0, 1)] * x.size, maxiter=max_iterations)
    return best


def test_lbfgs_is_as_near_as_scipy_image_by_image(trained):
    model, x, y = trained
    x, y = x[:12], y[:12]
    targets = ((y + 1) % 3).astype(np.int32)
    ours = lbfgs(model, x, y, targets=targets)
    c_values = np.geomspace(1e-2, 1e3, 21)
    expected = np.array([nearest_by_scipy(model, x[[i]], targets[i], c_values) for i in range(12)])
    assert ours.success.all()
    assert np.isfinite(expected).all()
    assert ours.l2.mean() <= 1.01 * expected.mean()
    assert np.percentile(ours.l2 / expected, 95) <= 1.05
