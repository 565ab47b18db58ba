"""Drawings in the page look as matplotlib drew them, and are dark where the page is."""

import base64
import re
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from helpers.figures import svg
from helpers.figures.images import image_grid
from helpers.figures.show import render


def line():
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1 / 3, 1], [0.1, 0.7, 0.2], label="1/3")
    return render(figure, "svg").decode()


def test_a_drawing_becomes_small():
    drawn = line()
    small = svg.compact(drawn)
    assert len(small) < 0.6 * len(drawn)
    assert "metadata" not in small
    assert not re.search(r"\d\.\d{4}", small)


def test_its_references_stay():
    small = svg.compact(line())
    named = set(re.findall(r' id="([^"]+)"', small))
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', small))
    assert {a or b for a, b in used} <= named


def test_a_source_can_stand_in_a_srcset():
    source = svg.as_source('<svg a="b c">#\n</svg>')
    assert not re.search(r'[\s"<>#]', source.partition(",")[2])


@pytest.mark.parametrize("channels", [1, 3])
def test_images_keep_their_pixels_and_get_colours_for_the_dark(channels):
    images = np.linspace(0, 1, 2 * 6 * 6 * channels).reshape(2, 6, 6, channels)
    small = svg.compact(render(image_grid(images, columns=2), "svg").decode())
    assert "prefers-color-scheme:dark" in small
    first = re.search(r'data:image/webp;base64,([^"]*)"', small)[1]
    shown = np.asarray(Image.open(BytesIO(base64.b64decode(first))).convert("RGB"))
    wanted = np.round(255 * np.broadcast_to(images[0], (6, 6, 3)))
    assert np.abs(shown - wanted).max() <= 2  # as the scale of greys rounds
    assert "prefers-color-scheme" not in svg.compact(line())
