"""Diagrams say what they are given; the one of InceptionV3 is read from the model."""

import keras
import matplotlib
import numpy as np
import pytest
from small_models import inception

from helpers import figures
from helpers.models import networks

IMAGES = np.random.default_rng(0).random((4, 8, 8, 1))


def texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def pictures(figure):
    return figure.findobj(matplotlib.image.AxesImage)


@pytest.mark.parametrize(("n_members", "drawn"), [(1, [1]), (4, [1, 2, 3, 4]), (10, [1, 2, 3, 10])])
def test_ensemble_diagram_draws_first_and_last_members(n_members, drawn):
    found = texts(figures.ensemble_diagram(n_members))
    assert [text for text in found if text.startswith("member ")] == [f"member {k}" for k in drawn]
    assert ("⋮" in found) == (n_members > 4)


def test_ensemble_diagram_shows_image_and_vote():
    figure = figures.ensemble_diagram(3, image=IMAGES[0])
    assert len(pictures(figure)) == 1
    assert any("mean" in text for text in texts(figure))


def test_bagging_diagram_shows_the_rows_of_each_replicate():
    noisy = np.clip(IMAGES + 0.1, 0, 1)
    figure = figures.bagging_diagram(
        IMAGES, noisy, [np.array([0, 0, 3, 1]), np.array([2, 2, 2, 2])], n_members=10, sigma=0.1
    )
    shown = [picture.get_array() for picture in pictures(figure)]
    assert len(shown) == 4 + 4 + 4 + 4
    np.testing.assert_array_equal(shown[10], noisy[3, ..., 0])
    found = texts(figure)
    assert {"+ noise\n(σ = 0.1)", "member 2", "10 members", "vote"} <= set(found)
    # Images drawn more than once have a thick frame: 2 in the first replicate, 4 in the second.
    frames = [axes.spines["left"].get_linewidth() for axes in figure.axes[0].child_axes]
    assert sum(width > 2 for width in frames) == 6


def test_inception_diagram_is_read_from_the_model():
    found = texts(figures.inception_diagram(inception()))
    assert {"pixels\n64×64×3", "resizing\n75×75×3", "new last layer\n10 classes"} <= set(found)
    assert {"mixed0, unfolded", "from\nthe stem"} <= set(found)
    assert "stem: 5 convolutions, 2 max pools\n7×7×48" in found
    assert "mixed0\n4 branches\n7×7×64" in found
    assert "mixed10\n4 branches\n1×1×512" in found
    assert sum(text.startswith("mixed") and "branches" in text for text in found) == 11

    other = networks.build("inception_v3", (48, 48, 3), 7, seed=0, input_size=139, width=0.1)
    found = texts(figures.inception_diagram(other))
    assert {"pixels\n48×48×3", "resizing\n139×139×3", "new last layer\n7 classes"} <= set(found)
    filters = other.layers[3].get_layer("mixed0").output.shape[-1]
    assert f"mixed0\n4 branches\n15×15×{filters}" in found


def test_branches_of_the_blocks():
    blocks = figures.inception_blocks(inception().layers[3])
    assert [len(block.branches) for block in blocks] == [4, 4, 4, 3, 4, 4, 4, 4, 3, 4, 4]
    assert blocks[0].branches == (
        ("conv 1×1, 16",),
        ("conv 1×1, 12", "conv 5×5, 16"),
        ("conv 1×1, 16", "conv 3×3, 24", "conv 3×3, 24"),
        ("avg pool 3×3", "conv 1×1, 8"),
    )
    assert blocks[3].branches[2] == ("max pool 3×3, stride 2",)
    assert blocks[9].branches[1] == ("conv 1×1, 96", "conv 1×3, 96\nand conv 3×1, 96")
    assert blocks[9].start.name == "mixed8"


def plain_model():
    inputs = keras.Input((8, 8, 1))
    return keras.Model(inputs, keras.layers.Flatten()(inputs))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.ensemble_diagram(0), "n_members = 0"),
        (lambda: figures.bagging_diagram(IMAGES[:0], IMAGES[:0], []), "n at least 1"),
        (lambda: figures.bagging_diagram(IMAGES, IMAGES[:2], []), "differ in shape"),
        (lambda: figures.bagging_diagram(IMAGES, IMAGES, []), "no replicates"),
        (lambda: figures.bagging_diagram(IMAGES, IMAGES, [np.array([4])]), "0 to 3 only"),
        (
            lambda: figures.bagging_diagram(IMAGES, IMAGES, [np.arange(4)] * 3, n_members=2),
            "n_members = 2, but 3",
        ),
        (lambda: figures.inception_diagram(plain_model()), "holds no InceptionV3"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
