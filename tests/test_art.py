import numpy as np
import pytest
from small_models import blobs, small_network

from helpers.models import gradients
from helpers.models import networks, training
from helpers.evaluation import check_adversarial, distortion
from helpers.attacks.art import ATTACKS, attack_from_outside


@pytest.fixture(scope="module")
def trained():
    x, y = blobs()
    x = x.repeat(2, axis=1).repeat(
        2, axis=2
    )  # Square's first square covers four fifths of an image
    model = small_network(shape=x.shape[1:])
    training.train(
        model, x, y, epochs=8, batch_size=32, learning_rate=0.01, patience=8,
        validation_fraction=0.2, seed=0,
    )  # fmt: skip
    return model, x[:40], y[:40]


def made(trained, name, **changes):
    options = {"epsilon": 0.15, "iterations": 40, "seed": 0} | changes
    return attack_from_outside(name, *trained, **options)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_from_outside_does_its_work_inside_its_bounds(trained, name):
    model, x, y = trained
    x_adv = made(trained, name)
    check_adversarial(x, x_adv, epsilon=None if name == "cw" else 0.15)
    before, after = ((gradients.logits(model, z).argmax(-1) == y).mean() for z in (x, x_adv))
    assert after < before - 0.1


def test_carlini_and_wagner_go_less_far_than_a_step_that_does_as_much(trained):
    model, x, y = trained
    x_adv = made(trained, "cw")
    fooled = gradients.logits(model, x_adv).argmax(-1) != y
    assert distortion(x, x_adv)["l2"][fooled].mean() < 0.15 * 8  # the corner of the ball


@pytest.mark.parametrize("name", ["square", "auto_pgd"])
def test_the_same_seed_gives_the_same_images_and_leaves_numpys_generator_alone(trained, name):
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    first = made(trained, name)
    assert np.random.random() == expected  # noqa: NPY002
    np.testing.assert_array_equal(first, made(trained, name))


def test_an_unknown_name_is_refused(trained):
    with pytest.raises(ValueError, match="square, auto_pgd, cw"):
        made(trained, "deepfool")


@pytest.mark.parametrize("shape", [(4, 4, 1), (5, 8, 1), (20, 28, 1)])
def test_square_takes_images_of_any_shape(shape):
    model, x = small_network(shape=shape), np.full((3, *shape), 0.5, np.float32)
    y = np.arange(3, dtype=np.int32)
    x_adv = attack_from_outside("square", model, x, y, epsilon=0.1, iterations=2, seed=0)
    check_adversarial(x, x_adv, epsilon=0.1)
