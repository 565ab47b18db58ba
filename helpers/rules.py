"""What must fit together among a chapter's parameters, and what follows what."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any


def _step_inside_ball(alpha: float, epsilon: float) -> str | None:
    if alpha > epsilon:
        return (
            f"alpha = {alpha} is larger than epsilon = {epsilon}: "
            "the report has epsilon >= alpha > 0"
        )


def _member_exists(member: int, n_members: int) -> str | None:
    if member > n_members:
        return (
            f"member = {member}, but there are n_members = {n_members}; members are numbered from 1"
        )


def _nothing_is_trained(model: str, architecture: str) -> str | None:
    if model and architecture:
        return (
            f"architecture = {architecture!r} says what to train, but with a model of your "
            "own nothing is trained; leave one of the two out"
        )


def _noise_is_seen(datasets: list[str], sigma: float) -> str | None:
    if not sigma:
        return "sigma = 0 leaves nothing to show of the noise; expected more than 0, to 1"


# Each is asked where a chapter takes all that it names.
RULES = {
    ("alpha", "epsilon"): _step_inside_ball,
    ("member", "n_members"): _member_exists,
    ("model", "architecture"): _nothing_is_trained,
    ("datasets", "sigma"): _noise_is_seen,
}


def follow(values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Put `given` in the place of `values`; what depends on it and is not given follows it.

    `alpha` stays the same part of `epsilon`, and `member` is one that there is.
    """
    result = {**values, **given}
    # What is not a number stays; validation will say so.
    with contextlib.suppress(TypeError, ValueError, ArithmeticError):
        if "epsilon" in given and "alpha" in values and "alpha" not in given:
            epsilon = float(given["epsilon"])
            if 0 < epsilon <= 1:
                alpha = values["alpha"] * epsilon / values["epsilon"]
                alpha = float(f"{alpha:.12g}")  # 0.05, not 0.05000000000000001
                result["alpha"] = min(alpha, epsilon)
        if "n_members" in given and "member" in values and "member" not in given:
            result["member"] = max(1, min(values["member"], int(given["n_members"])))
    return result
