import keras
import numpy as np
import pytest
from small_models import images, linear_model, small_network

from helpers.attacks import steps
from helpers.models import gradients
from helpers.evaluation import check_adversarial, distortion
from helpers.attacks.lbfgs_attack import lbfgs

Y = np.arange(12, dtype=np.int32) % 3
FGSM = (steps.fgsm, {"epsilon": 0.1})
BIM = (steps.bim, {"epsilon": 0.1, "alpha": 0.03, "steps": 5})
PGD = (steps.pgd, {"epsilon": 0.1, "alpha": 0.03, "steps": 5, "restarts": 2, "seed": 0})
ALL = pytest.mark.parametrize(
    ("attack", "options"), [FGSM, BIM, PGD], ids=lambda value: getattr(value, "__name__", "")
)
NORMS = pytest.mark.parametrize("norm", steps.NORMS)


def loss(model, x):
    return gradients.loss_and_gradient(model)(x, Y)[0]


@ALL
@NORMS
def test_inside_the_ball_and_the_bounds(attack, options, norm):
    x = images()
    x[0], x[1] = 0.0, 1.0
    x_adv = attack(small_network(), x, Y, norm=norm, **options)
    check_adversarial(x, x_adv, epsilon=0.1, norm=norm)
    assert distortion(x, x_adv)[norm].max() > 0.05


@ALL
@NORMS
def test_no_epsilon_is_the_identity(attack, options, norm):
    x = images()
    zero = {**options, "epsilon": 0.0}
    np.testing.assert_array_equal(attack(small_network(), x, Y, norm=norm, **zero), x)


@ALL
@NORMS
def test_loss_rises_and_targeted_loss_falls(attack, options, norm):
    model, x = small_network(), images()
    before = loss(model, x)
    assert (loss(model, attack(model, x, Y, norm=norm, **options)) > before).all()
    assert (loss(model, attack(model, x, Y, norm=norm, targeted=True, **options)) < before).all()


@ALL
@NORMS
def test_batch_size_and_input_do_not_change(attack, options, norm):
    model, x = small_network(), images()
    kept = x.copy()
    whole = attack(model, x, Y, norm=norm, **options)
    np.testing.assert_allclose(
        attack(model, x, Y, norm=norm, batch_size=5, **options), whole, atol=1e-6
    )
    np.testing.assert_array_equal(x, kept)
    assert whole.dtype == np.float32


@ALL
def test_empty_and_single(attack, options):
    model, x = small_network(), images()
    assert attack(model, x[:0], Y[:0], **options).shape == (0, 4, 4, 1)
    assert attack(model, x[:1], Y[:1], **options).shape == (1, 4, 4, 1)


def test_fgsm_on_a_linear_model_is_the_printed_formula():
    model, x = linear_model(), images()
    weights = model.get_weights()[0]
    logits = x.reshape(12, -1) @ weights
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = x + 0.1 * np.sign((shares - np.eye(3)[Y]) @ weights.T).reshape(x.shape)
    np.testing.assert_allclose(steps.fgsm(model, x, Y, epsilon=0.1), expected, atol=1e-6)


@NORMS
def test_fgsm_is_one_step_of_bim(norm):
    model, x = small_network(), images()
    np.testing.assert_array_equal(
        steps.fgsm(model, x, Y, epsilon=0.1, norm=norm),
        steps.bim(model, x, Y, epsilon=0.1, alpha=0.1, steps=1, norm=norm),
    )


def test_l2_step_has_length_epsilon():
    x = images()
    x_adv = steps.fgsm(linear_model(), x, Y, epsilon=0.05, norm="l2")
    np.testing.assert_allclose(distortion(x, x_adv)["l2"], 0.05, atol=1e-6)


def test_more_restarts_never_help_the_defender():
    model, x = small_network(), images()
    options = {"epsilon": 0.3, "alpha": 0.1, "steps": 3, "seed": 0}
    one, many = (steps.pgd(model, x, Y, restarts=n, **options) for n in (1, 5))
    right_one, right_many = (gradients.logits(model, z).argmax(-1) == Y for z in (one, many))
    assert not (right_many & ~right_one).any()
    same = right_one == right_many
    assert (loss(model, many) >= loss(model, one) - 1e-6)[same].all()


def test_pgd_repeats_with_its_seed_only():
    model, x = small_network(), images()
    options = {"epsilon": 0.1, "alpha": 0.01, "steps": 1, "restarts": 1}
    first, again, other = (steps.pgd(model, x, Y, seed=s, **options) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(("norm", "size"), [("linf", 0.1), ("l2", 0.5)])
def test_noise_has_the_size_of_an_attack(norm, size):
    x = np.full((6, 8, 8, 1), 0.5, np.float32)
    noisy = steps.random_noise(x, epsilon=size, seed=0, norm=norm)
    np.testing.assert_allclose(distortion(x, noisy)[norm], size, rtol=1e-5)
    assert abs((noisy - x).mean()) < 0.05


def test_projection_by_hand():
    x = np.zeros((1, 1, 2, 1), np.float32)
    far = np.array([3.0, 4.0], np.float32).reshape(x.shape)
    np.testing.assert_allclose(steps.project_l2(far, x, 1.0).ravel(), [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(steps.project_l2(far, x, 9.0), far)


BAD = [
    ({"x": images().astype(np.float64)}, "float32"),
    ({"x": images()[0]}, "height, width, channels"),
    ({"x": images().tolist()}, "list"),
    ({"x": images() + 1}, "must lie within"),
    ({"x": np.full((12, 4, 4, 1), np.nan, np.float32)}, "NaN"),
    ({"x": np.zeros((12, 5, 5, 1), np.float32)}, "the model takes"),
    ({"y": Y.astype(np.int64)}, "int32"),
    ({"y": Y[:5]}, r"shape \(12,\)"),
    ({"y": Y + 1}, "classes 0 to 2"),
    ({"epsilon": -0.1}, "epsilon = -0.1"),
    ({"epsilon": np.nan}, "epsilon = nan"),
    ({"alpha": np.inf}, "alpha = inf"),
    ({"steps": 0}, "steps = 0"),
    ({"norm": "l1"}, "linf, l2"),
    ({"loss": "crossentropy"}, "cross_entropy, likelihood, margin"),
    ({"bounds": (1.0, 0.0)}, "low < high"),
    ({"batch_size": 0}, "batch_size = 0"),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=lambda value: str(value)[:24])
def test_bad_input_is_refused(change, message):
    good = {"x": images(), "y": Y, "epsilon": 0.1, "alpha": 0.03, "steps": 2}
    with pytest.raises(ValueError, match=message):
        steps.bim(linear_model(), **{**good, **change})


def test_no_restart_is_refused():
    with pytest.raises(ValueError, match="restarts = 0"):
        steps.pgd(linear_model(), images(), Y, epsilon=0.1, alpha=0.1, steps=1, restarts=0, seed=0)


@pytest.mark.parametrize("attack", ["fgsm", "bim", "pgd", "lbfgs"])
def test_a_model_that_returns_probabilities_is_refused(attack):
    model = keras.Sequential([small_network(), keras.layers.Softmax()])
    x, y = images(), np.arange(12, dtype=np.int32) % 3
    walk = {"epsilon": 0.1, "alpha": 0.05, "steps": 2}
    options = {
        "fgsm": {"epsilon": 0.1}, "bim": walk, "pgd": {**walk, "restarts": 1, "seed": 0}, "lbfgs": {},
    }  # fmt: skip
    function = lbfgs if attack == "lbfgs" else getattr(attacks, attack)
    with pytest.raises(ValueError, match="returns probabilities, and logits are needed"):
        function(model, x, y, **options[attack])


def test_dlr_finds_what_cross_entropy_finds_even_with_huge_logits():
    model = linear_model(n_classes=4)
    x = images()
    y = gradients.logits(model, x).argmax(-1).astype(np.int32)
    walk = {"epsilon": 0.2, "alpha": 0.05, "steps": 8}
    accuracy = {}
    for scale in (1, 1e4):
        model.set_weights([scale * weight for weight in linear_model(n_classes=4).get_weights()])
        for loss in ("cross_entropy", "dlr"):
            made = steps.bim(model, x, y, loss=loss, **walk)
            accuracy[scale, loss] = (gradients.logits(model, made).argmax(-1) == y).mean()
    assert accuracy[1, "dlr"] == accuracy[1e4, "dlr"]
    assert accuracy[1e4, "dlr"] <= accuracy[1e4, "cross_entropy"]
    assert accuracy[1, "dlr"] < 0.5


def test_targeted_dlr_raises_the_target():
    model = linear_model(n_classes=5)
    x = images()
    targets = ((gradients.logits(model, x).argmax(-1) + 1) % 5).astype(np.int32)
    before = gradients.loss_and_gradient(model, "margin")(x, targets)[0]
    made = steps.bim(model, x, targets, epsilon=0.2, alpha=0.05, steps=5, loss="dlr", targeted=True)
    assert (gradients.loss_and_gradient(model, "margin")(made, targets)[0] < before).all()
