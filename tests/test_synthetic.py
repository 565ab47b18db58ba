import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from helpers.data import synthetic
from helpers.data.datasets import load
from helpers.data.synthetic import CLASS_NAMES, COLOURS, STYLES, draw

NAMES = list(STYLES)


def some(name, n, split="train", **options):
    i, k = np.arange(n), len(CLASS_NAMES[name])
    return draw(name, split, i % k, i // k, **options)


@pytest.mark.parametrize("name", NAMES)
def test_images_are_bytes_of_the_right_shape_and_all_different(name):
    x = some(name, 60)
    side = STYLES[name].side
    assert (x.dtype, x.shape) == (np.uint8, (60, side, side, 3))
    assert len({image.tobytes() for image in x}) == 60
    assert x.std(axis=(1, 2, 3)).min() > 5


@pytest.mark.parametrize("name", NAMES)
def test_an_image_does_not_depend_on_the_others(name):
    x = some(name, 40)
    k = len(CLASS_NAMES[name])
    alone = draw(name, "train", np.array([33 % k]), np.array([33 // k]))
    np.testing.assert_array_equal(alone[0], x[33])


@pytest.mark.parametrize("name", NAMES)
def test_seed_and_split_draw_other_images(name):
    x = some(name, 20)
    for other in (some(name, 20, "test"), some(name, 20, seed=1)):
        assert not np.any(np.all(x == other, axis=(1, 2, 3)))


def test_first_half_of_tiny_shapes_is_a_fair_subset():
    names = [name.split() for name in CLASS_NAMES["tiny_shapes"]]
    assert len(set(map(tuple, names))) == 20
    assert {colour for colour, _ in names[:10]} == set(COLOURS)
    shapes = [shape for _, shape in names[:10]]
    assert {shapes.count(shape) for shape in shapes} == {2}


def test_first_outline_is_filled_and_others_are_holes():
    square = np.array([(0, 0), (0.5, 0), (0.5, 1), (0, 1)])
    hole = np.array([(0, 0), (1, 0), (1, 0.5), (0, 0.5)])
    np.testing.assert_array_equal(
        synthetic._mask([square], 8)[:, [1, 6]], np.tile([1.0, 0.0], (8, 1))
    )
    holed = synthetic._mask([square, hole], 8)
    assert holed[1, 1] == 0
    assert holed[6, 1] == 1


@pytest.mark.parametrize("shape", list(synthetic.OUTLINES))
def test_outlines_fill_the_unit_circle(shape):
    assert 0.85 < np.linalg.norm(synthetic.OUTLINES[shape][0], axis=1).max() < 1.12


def test_labels_belong_to_images():
    """The nearest mean image is far above chance (0.1), so labels and images go together."""
    data = load("tiny_shapes", n_train=300, n_test=100, n_classes=10)
    x_train, x_test = (x[:, ::4, ::4].reshape(len(x), -1) for x in (data.x_train, data.x_test))
    model = NearestCentroid().fit(x_train, data.y_train)
    assert model.score(x_test, data.y_test) > 0.4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("circles", "train", [0], [0]), "no drawn data set 'circles'; there are shapes, tiny"),
        (("shapes", "validation", [0], [0]), "no split 'validation'; there are train, test"),
        (("shapes", "train", [10], [0]), "lie in 0 to 9"),
        (("shapes", "train", [-1], [0]), "lie in 0 to 9"),
        (("shapes", "train", [0], [-1]), "must not be negative"),
        (("shapes", "train", [0, 1], [0]), "vectors of one length"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw(*arguments)
