"""Numbers as readers expect them to be rounded: halves go up."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from math import isfinite


def rounded(value: float, decimals: int = 1, *, sign: bool = False) -> str:
    """Write a number with so many decimals; a half goes away from zero.

    Parameters
    ----------
    value
        The number. It is taken to 12 digits first: 100 × 0.6015 counts as 60.15.
    decimals
        Digits after the point.
    sign
        Write a plus, too; minus is always the long one.
    """
    if not isfinite(value):
        return str(value)
    exact = Decimal(f"{value:.12g}").quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    exact = abs(exact) if exact == 0 else exact
    return f"{exact:{'+' if sign else ''},f}".replace("-", "−")


def percent(share: float, decimals: int = 1) -> str:
    """Write a share in percent."""
    return f"{rounded(100 * share, decimals)} %"
