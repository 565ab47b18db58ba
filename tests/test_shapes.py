import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from helpers.data import load
from helpers.data.shapes import COLOURS, OUTLINES, STYLES, draw


@pytest.mark.parametrize("name", STYLES)
def test_images_are_bytes_of_the_right_shape_and_all_different(name):
    x = draw(name, "train", np.arange(60))
    side = STYLES[name].side
    assert (x.dtype, x.shape) == (np.uint8, (60, side, side, 3))
    other = draw(name, "test", np.arange(60))
    assert len({image.tobytes() for image in (*x, *other)}) == 120
    assert x.std(axis=(1, 2, 3)).min() > 5


@pytest.mark.parametrize("name", STYLES)
def test_an_image_does_not_depend_on_the_others(name):
    x = draw(name, "train", np.arange(40))
    np.testing.assert_array_equal(draw(name, "train", np.array([33, 7])), x[[33, 7]])


def test_first_half_of_tiny_shapes_is_a_fair_subset():
    names = [name.split() for name in STYLES["tiny_shapes"].names]
    assert len(set(map(tuple, names))) == 20
    assert {colour for colour, _ in names[:10]} == set(COLOURS)
    shapes = [shape for _, shape in names[:10]]
    assert {shapes.count(shape) for shape in shapes} == {2}


@pytest.mark.parametrize("shape", OUTLINES)
def test_outlines_fill_the_unit_circle(shape):
    assert 0.85 < np.linalg.norm(OUTLINES[shape][0], axis=1).max() < 1.12


def test_a_ring_has_a_hole():
    """Rings of tiny_shapes show in their middle what is behind them, bars their own colour."""
    names = STYLES["tiny_shapes"].names
    for name, far in (("red ring", False), ("red bar", True)):
        label = names.index(name)
        x = draw("tiny_shapes", "train", label + len(names) * np.arange(20)).astype(float)
        middle, corners = x[:, 30:34, 30:34].mean((1, 2)), x[:, :4, :4].mean((1, 2))
        redness = (middle[:, 0] - middle[:, 1]) - (corners[:, 0] - corners[:, 1])
        assert (np.median(redness) > 80) == far


def test_labels_belong_to_images():
    """The nearest mean image is far above chance (0.1), so labels and images go together."""
    data = load("tiny_shapes", n_train=300, n_test=100, n_classes=10)
    x_train, x_test = (x[:, ::4, ::4].reshape(len(x), -1) for x in (data.x_train, data.x_test))
    model = NearestCentroid().fit(x_train, data.y_train)
    assert model.score(x_test, data.y_test) > 0.4
