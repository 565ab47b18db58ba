"""Drawn colour data sets that need no download.

`shapes` (32×32, ten shapes in any colour) stands in for CIFAR-10, `tiny_shapes` (64×64, shape and
colour together make the class) for Tiny ImageNet. Every image has its own random generator, seeded
with the data set, the split, the class and the number of the image in its class: an image is the
same whatever number of images is drawn, so a smaller request is the beginning of a larger one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SUPERSAMPLING = 4  # outlines are filled at four times the size, then averaged: smooth edges
SPLITS = {"train": 0, "test": 1}


def _circle(n: int = 48, radius: float = 1.0) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _star(points: int, inner: float) -> np.ndarray:
    angle = np.arange(2 * points) * np.pi / points - np.pi / 2
    radius = np.where(np.arange(2 * points) % 2 == 0, 1.0, inner)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _heart(n: int = 60) -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y], axis=1) / 17


def _crescent(n: int = 32) -> np.ndarray:
    outer = np.linspace(-0.8 * np.pi, 0.8 * np.pi, n)
    tip = np.array([np.cos(outer[-1]), np.sin(outer[-1])])
    centre = -1.05
    radius = np.hypot(tip[0] - centre, tip[1])
    inner = np.linspace(1, -1, n) * np.arctan2(tip[1], tip[0] - centre)
    bow = np.stack([centre + radius * np.cos(inner), radius * np.sin(inner)], axis=1)
    return np.concatenate([np.stack([np.cos(outer), np.sin(outer)], axis=1), bow])


# Outlines inside the unit circle; a second outline is a hole.
OUTLINES: dict[str, tuple[np.ndarray, ...]] = {
    "circle": (_circle(radius=0.9),),
    "square": (0.78 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]),),
    "triangle": (_circle(3),),
    "star": (_star(5, 0.42),),
    "ring": (_circle(radius=0.95), _circle(radius=0.55)),
    "cross": (
        np.array(
            [(-3, -9), (3, -9), (3, -3), (9, -3), (9, 3), (3, 3)]
            + [(3, 9), (-3, 9), (-3, 3), (-9, 3), (-9, -3), (-3, -3)]
        )
        / 9.5,
    ),
    "crescent": (_crescent(),),
    "heart": (_heart(),),
    "arrow": (np.array([(10, 0), (1, 8), (1, 3), (-9, 3), (-9, -3), (1, -3), (1, -8)]) / 10,),
    "bar": (np.array([(-10, -3), (10, -3), (10, 3), (-10, 3)]) / 10.5,),
}
COLOURS = {
    "red": (0.85, 0.16, 0.16),
    "green": (0.16, 0.68, 0.25),
    "blue": (0.20, 0.42, 0.95),
    "yellow": (0.95, 0.82, 0.15),
}
SOLID = ("ring", "bar", "triangle", "star", "cross")


@dataclass(frozen=True)
class Style:
    """How a drawn data set looks: ranges of size (share of the width), contrast and noise."""

    side: int
    radius: tuple[float, float]
    candidates: int
    texture: float
    noise: float
    clutter: int
    tilt: float = np.pi
    hue_spread: float = 0.5
    ground: tuple = (0.0, 0.45)
    value: tuple = (0.6, 1.0)
    reach: float = 1.0
    opacity: tuple = (1.0, 1.0)
    bite: float = 0.0


STYLES = {
    "shapes": Style(
        side=32, radius=(0.20, 0.42), candidates=3, texture=0.10, noise=0.04, clutter=2
    ),
    "tiny_shapes": Style(
        side=64, radius=(0.30, 0.45), candidates=0, texture=0.05, noise=0.02, clutter=0
    ),
}
# Neighbours differ in shape and in colour (5 and 4 have no common factor), so the first n classes
# are a fair subset.
CLASSES = {
    "shapes": tuple(OUTLINES),
    "tiny_shapes": tuple(
        f"{list(COLOURS)[i % 4]} {SOLID[i % 5]}" for i in range(len(SOLID) * len(COLOURS))
    ),
}


def _mask(outlines, side, centre, radius, angle):
    big = SUPERSAMPLING * side
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    canvas = Image.new("L", (big, big))
    draw = ImageDraw.Draw(canvas)
    for fill, outline in zip((255, 0), outlines, strict=False):
        points = (outline @ turn * radius + centre) * big
        draw.polygon([tuple(p) for p in points.tolist()], fill=fill)
    return np.asarray(canvas.reduce(SUPERSAMPLING))


def _smooth(coarse, side):
    """Blow coarse colour grids (n, k, k, 3) up to (n, side, side, 3), bilinearly."""
    k = coarse.shape[1]
    at = np.linspace(0, k - 1, side)
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(k)))
    weights = weights.astype(np.float32)
    return np.einsum("ia,jb,nabc->nijc", weights, weights, coarse.astype(np.float32), optimize=True)


def draw(name: str, labels: np.ndarray, serials: np.ndarray, split: str, seed: int) -> np.ndarray:
    style, classes = STYLES[name], CLASSES[name]
    n, side = len(labels), style.side
    masks = np.empty((n, side, side, 1), np.uint8)
    ground = np.empty((n, 4, 4, 3), np.float32)
    figure = np.empty((n, 2, 2, 3), np.float32)
    noise = np.empty((n, side, side, 3), np.float32)
    opac = np.ones((n, 1, 1, 1), np.float32)
    clutter = np.zeros((n, side, side, 3), np.float32)
    clutter_mask = np.zeros((n, side, side, 1), np.float32)
    for i, (label, serial) in enumerate(zip(labels.tolist(), serials.tolist(), strict=True)):
        rng = np.random.default_rng([seed, len(name), SPLITS[split], label, serial])
        words = classes[label].split()
        radius = rng.uniform(*style.radius)
        reach = max(0.0, 0.5 - radius * 0.95) * style.reach
        centre = 0.5 + rng.uniform(-reach, reach, 2)
        masks[i, ..., 0] = _mask(
            OUTLINES[words[-1]], side, centre, radius, rng.uniform(-style.tilt, style.tilt)
        )
        base = rng.uniform(*style.ground, 3)
        if len(words) == 2:
            base = np.full(3, rng.uniform(*style.ground)) + rng.uniform(-0.08, 0.08, 3)
            colour = np.array(COLOURS[words[0]]) + rng.uniform(-0.1, 0.1, 3)
        else:
            import colorsys

            hue = label / 10 + rng.normal(0, style.hue_spread)
            colour = np.array(
                colorsys.hsv_to_rgb(hue % 1, rng.uniform(0.3, 0.9), rng.uniform(*style.value))
            )
        ground[i] = base + rng.uniform(-1, 1, (4, 4, 3)) * style.texture * 2
        figure[i] = colour + rng.uniform(-1, 1, (2, 2, 1)) * style.texture
        noise[i] = (np.frombuffer(rng.bytes(side*side*3), np.uint8).reshape(side, side, 3) - np.float32(127.5)) / np.float32(73.9) * style.noise
        opac[i] = rng.uniform(*style.opacity)
        if style.bite:
            phi = rng.uniform(0, 2*np.pi); br = radius * rng.uniform(.3, .3 + style.bite)
            m = _mask(OUTLINES["circle"], side, centre + radius * rng.uniform(.6, 1.1) * np.array([np.cos(phi), np.sin(phi)]), br, 0)
            masks[i, ..., 0] = (masks[i, ..., 0] * (1 - m / np.float32(255))).astype(np.uint8)
        for _ in range(style.clutter):
            r = rng.uniform(0.04, 0.12)
            m = _mask(
                (OUTLINES["bar"][0],) if rng.random() < 0.5 else OUTLINES["circle"],
                side,
                rng.uniform(0, 1, 2),
                r * 1.5,
                rng.uniform(0, 2 * np.pi),
            )
            m = m[..., None] / np.float32(255)
            clutter[i] = clutter[i] * (1 - m) + m * rng.uniform(0, 1, 3).astype(np.float32)
            clutter_mask[i] = np.maximum(clutter_mask[i], m)
    image = _smooth(ground, side)
    image += clutter - image * clutter_mask
    cover = opac * masks / np.float32(255)
    image += cover * (_smooth(figure, side) - image)
    image += noise
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def dataset(name, n, split, seed=0, n_classes=0):
    k = n_classes or len(CLASSES[name])
    idx = np.arange(n)
    labels = (idx % k).astype(np.int32)
    return draw(name, labels, idx // k, split, seed), labels
