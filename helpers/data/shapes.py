"""Drawn colour data sets: `shapes` and `tiny_shapes` need no download.

`shapes` (32×32, ten shapes) stands in for CIFAR-10; `tiny_shapes` (64×64, where shape and colour
together make the class) for Tiny ImageNet. Each image has a random generator of its own, seeded
with the data set, the split, the class and the image's number within its class. An image is
therefore the same however many are drawn, and only the images asked for need to be drawn.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from helpers.data.dataset import Found, Spec, Split

SUPERSAMPLING = 4  # outlines are filled at four times the size and averaged: smooth edges
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Style:
    """How the images of a data set vary; lengths are shares of the image's side."""

    names: tuple[str, ...]  # of the classes
    side: int  # pixels
    radius: tuple[float, float]  # of the circle around the shape
    tilt: float  # largest rotation, in radians
    reach: float  # how far the shape leaves the centre: 1 up to the edge, 0 not at all
    ground: tuple[float, float]  # brightness of the background
    texture: float  # unevenness of the background and the shape
    noise: float  # standard deviation of the noise of single pixels
    hue_spread: float = 0.0  # standard deviation around the class's hue, 1 is the whole circle
    opacity: tuple[float, float] = (1.0, 1.0)
    bite: tuple[float, float] = (0.0, 0.0)  # radius of the disc cut off the edge, of the shape's


def _polygon(corners: list[tuple[float, float]], size: float) -> np.ndarray:
    return np.array(corners, float) / size


def _round(n: int) -> np.ndarray:
    angle = np.arange(n) * 2 * np.pi / n - np.pi / 2
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _star(points: int = 5, inner: float = 0.42) -> np.ndarray:
    outline = _round(2 * points)
    outline[1::2] *= inner
    return outline


def _heart(n: int = 60) -> np.ndarray:
    t = np.arange(n) * 2 * np.pi / n
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, -y], axis=1) / 17


def _crescent(n: int = 32) -> np.ndarray:
    """Follow a circle most of the way round, and come back on another one, further left."""
    out = np.linspace(-0.8, 0.8, n) * np.pi
    circle = np.stack([np.cos(out), np.sin(out)], axis=1)
    centre = np.array([-1.05, 0.0])
    to_tip = circle[-1] - centre
    back = np.linspace(1, -1, n) * np.arctan2(to_tip[1], to_tip[0])
    bow = centre + np.hypot(*to_tip) * np.stack([np.cos(back), np.sin(back)], axis=1)
    return np.concatenate([circle, bow])


_CIRCLE = _round(48)
_ARM, _END = 3, 9
# Outlines inside the unit circle, y downwards; a second outline is a hole.
OUTLINES: dict[str, tuple[np.ndarray, ...]] = {
    "circle": (0.9 * _CIRCLE,),
    "square": (_polygon([(-1, -1), (1, -1), (1, 1), (-1, 1)], 1.28),),
    "triangle": (_round(3),),
    "star": (_star(),),
    "ring": (0.95 * _CIRCLE, 0.55 * _CIRCLE),
    "cross": (
        _polygon(
            [
                *[(-_ARM, -_END), (_ARM, -_END), (_ARM, -_ARM), (_END, -_ARM)],
                *[(_END, _ARM), (_ARM, _ARM), (_ARM, _END), (-_ARM, _END)],
                *[(-_ARM, _ARM), (-_END, _ARM), (-_END, -_ARM), (-_ARM, -_ARM)],
            ],
            9.5,
        ),
    ),
    "crescent": (_crescent(),),
    "heart": (_heart(),),
    "arrow": (_polygon([(10, 0), (1, 8), (1, 3), (-9, 3), (-9, -3), (1, -3), (1, -8)], 10),),
    "bar": (_polygon([(-10, -3), (10, -3), (10, 3), (-10, 3)], 10.5),),
}
COLOURS = {
    "red": (0.85, 0.16, 0.16),
    "green": (0.16, 0.68, 0.25),
    "blue": (0.20, 0.42, 0.95),
    "yellow": (0.95, 0.82, 0.15),
}
_COLOURED = ("ring", "bar", "triangle", "star", "cross")

# Set by measurement. shapes: the report's CIFAR-10 network is neither near chance nor perfect;
# tiny_shapes: an InceptionV3 of a quarter of the width learns it from 1,000 images in 8 epochs.
# Their order is part of each image's seed.
STYLES = {
    "shapes": Style(
        names=tuple(OUTLINES),
        side=32,
        radius=(0.30, 0.44),
        tilt=0.3,
        reach=1.0,
        ground=(0.0, 0.45),
        texture=0.05,
        noise=0.04,
        hue_spread=0.06,
        opacity=(0.5, 1.0),
        bite=(0.3, 0.5),
    ),
    "tiny_shapes": Style(
        # Four colours and five shapes have no common factor, so that counting through both at once
        # meets every pair, and the first ten classes hold every colour and every shape.
        names=tuple(
            f"{tuple(COLOURS)[i % len(COLOURS)]} {_COLOURED[i % len(_COLOURED)]}"
            for i in range(len(COLOURS) * len(_COLOURED))
        ),
        side=64,
        radius=(0.36, 0.46),
        tilt=0.2,
        reach=0.5,
        ground=(0.15, 0.55),
        texture=0.05,
        noise=0.02,
    ),
}


def read(spec: Spec) -> Found:
    """Lay out a drawn data set, class by class in turn; only what is chosen is drawn."""

    def split(which: str, n: int) -> Split:
        labels = np.arange(n, dtype=np.int32) % spec.n_classes
        return Split(labels, lambda positions: draw(spec.name, which, positions))

    train, test = split("train", spec.n_train), split("test", spec.n_test)
    return Found(train, test, STYLES[spec.name].names)


def draw(name: str, split: str, positions: np.ndarray) -> np.ndarray:
    """Draw images of a data set.

    Parameters
    ----------
    name
        A key of `STYLES`.
    split
        ``train`` or ``test``.
    positions
        Which images, from 0, integers of shape (n,); the classes come in turn.

    Returns
    -------
    np.ndarray
        Pixels, uint8 of shape (n, side, side, 3).
    """
    style = STYLES[name]
    pixels = np.empty((len(positions), style.side, style.side, 3), np.uint8)
    key = [0, list(STYLES).index(name), SPLITS.index(split)]
    for i, position in enumerate(positions.tolist()):
        number, label = divmod(position, len(style.names))
        rng = np.random.default_rng([*key, label, number])
        *colour, shape = style.names[label].split()
        paint = _named_colour(colour[0], rng) if colour else _class_hue(label, style, rng)
        pixels[i] = _image(OUTLINES[shape], paint, bool(colour), style, rng)
    return pixels


def _named_colour(colour: str, rng: np.random.Generator) -> np.ndarray:
    return np.array(COLOURS[colour]) + rng.uniform(-0.1, 0.1, 3)


def _class_hue(label: int, style: Style, rng: np.random.Generator) -> np.ndarray:
    """Pick a colour around the class's own hue: a hint, as the blue around ships is one."""
    hue = label / len(style.names) + rng.normal(0, style.hue_spread)
    return np.array(colorsys.hsv_to_rgb(hue % 1, rng.uniform(0.3, 0.9), rng.uniform(0.6, 1)))


def _image(
    outlines: tuple[np.ndarray, ...],
    paint: np.ndarray,
    grey_ground: bool,
    style: Style,
    rng: np.random.Generator,
) -> np.ndarray:
    """Lay a shape of this colour on a background; uint8 of shape (side, side, 3)."""
    side = style.side
    radius = rng.uniform(*style.radius)
    centre = 0.5 + rng.uniform(-1, 1, 2) * style.reach * max(0.0, 0.5 - 0.95 * radius)
    tilt = rng.uniform(-style.tilt, style.tilt)
    placed = [_place(outline, centre, radius, tilt) for outline in outlines]
    if style.bite[1]:
        angle = rng.uniform(0, 2 * np.pi)
        edge = radius * rng.uniform(0.6, 1.1) * np.array([np.cos(angle), np.sin(angle)])
        placed.append(_place(_CIRCLE, centre + edge, radius * rng.uniform(*style.bite)))
    cover = (_mask(placed, side) * rng.uniform(*style.opacity))[..., None]

    base = rng.uniform(*style.ground, 1 if grey_ground else 3)
    image = _smooth(base + rng.uniform(-2, 2, (4, 4, 3)) * style.texture, side)
    image += cover * (_smooth(paint + rng.uniform(-1, 1, (2, 2, 1)) * style.texture, side) - image)
    # Noise of whole bytes, uniform on 0 to 255 (standard deviation 73.9), is the quickest to draw.
    grain = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    image += (grain - 127.5) * (style.noise / 73.9)
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def _place(
    outline: np.ndarray, centre: np.ndarray, radius: float, angle: float = 0.0
) -> np.ndarray:
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return outline @ turn * radius + centre


def _mask(outlines: list[np.ndarray], side: int) -> np.ndarray:
    """Share of each pixel inside the first outline and outside the others; (side, side)."""
    scale = SUPERSAMPLING * side
    canvas = Image.new("L", (scale, scale))
    pen = ImageDraw.Draw(canvas)
    for i, outline in enumerate(outlines):
        pen.polygon((outline * scale).ravel().tolist(), fill=0 if i else 255)
    return np.asarray(canvas.reduce(SUPERSAMPLING)) / 255


@lru_cache
def _hats(k: int, side: int) -> np.ndarray:
    at = np.linspace(0, k - 1, side)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(k)))


def _smooth(coarse: np.ndarray, side: int) -> np.ndarray:
    """Blow a grid of colours (k, k, 3) up to (side, side, 3), bilinearly."""
    k = len(coarse)
    weights = _hats(k, side)
    return weights @ (weights @ coarse.reshape(k, -1)).reshape(side, k, 3)
