"""How far adversarial images lie from the clean ones, and whether they keep their bounds."""

from __future__ import annotations

from math import prod

import numpy as np

# float32 sums round: an image made within epsilon may measure this much more.
TOLERANCE = 1e-6
# Width of the Gaussian window of structural similarity, in pixels.
SSIM_WINDOW = 11


def distortion(x: np.ndarray, x_adv: np.ndarray) -> dict[str, np.ndarray]:
    """L2 and L-infinity norm of each image's perturbation, float64 (n,)."""
    change = (x_adv.astype(np.float64) - x).reshape(len(x), prod(x.shape[1:]))  # maybe of no image
    return {"l2": np.linalg.norm(change, axis=1), "linf": np.abs(change).max(1, initial=0.0)}


def similarity(x: np.ndarray, x_adv: np.ndarray) -> np.ndarray:
    """Structural similarity of image pairs (SSIM, Wang et al. 2004); float64 (n,), 1 where equal."""
    from skimage.metrics import structural_similarity  # half a second that few modules need

    side = min(x.shape[1:3])
    window = {"gaussian_weights": True, "sigma": 1.5}
    if side < SSIM_WINDOW:  # a plain window that fits, of an odd size
        window = {"win_size": side - 1 + side % 2}
    return np.array(
        [
            structural_similarity(
                one, other, data_range=1.0, channel_axis=-1, use_sample_covariance=False, **window
            )
            for one, other in zip(x.astype(np.float64), x_adv.astype(np.float64), strict=True)
        ]
    )  # fmt: skip


def check_adversarial(x: np.ndarray, x_adv: np.ndarray, *, epsilon: float | None = None) -> None:
    """Check adversarial images independently of the attack, before they are scored.

    Raises
    ------
    ValueError
        If they differ in shape or type from `x`, are not finite, leave [0, 1], or a pixel of
        theirs differs by more than `epsilon`; says by how much.
    """
    if x_adv.shape != x.shape or x_adv.dtype != x.dtype:
        raise ValueError(
            f"adversarial images are {x_adv.dtype} {x_adv.shape}, the originals {x.dtype} {x.shape}"
        )
    if not np.isfinite(x_adv).all():
        raise ValueError("adversarial images hold NaN or infinite pixels")
    if len(x) and (x_adv.min() < 0 or x_adv.max() > 1):
        raise ValueError(
            f"adversarial images leave [0, 1]: they go from {x_adv.min()} to {x_adv.max()}"
        )
    if epsilon is not None and len(x):
        farthest = distortion(x, x_adv)["linf"].max()
        if farthest > epsilon + TOLERANCE * max(1.0, epsilon):
            raise ValueError(
                f"adversarial images lie up to {farthest:.6f} from the originals in linf, more than "
                f"epsilon = {epsilon}"
            )
