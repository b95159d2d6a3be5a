"""The widths that a widen factor gives."""

import math
from fractions import Fraction


def read_widen_factor(widen_factor: float) -> Fraction:
    """Read a widen factor as it was meant: 1.1 is 11/10, which no binary float is.

    Args:
        widen_factor: The paper's k.

    Returns:
        The nearest fraction with a small denominator.

    Raises:
        ValueError: If it is no positive number.
    """
    factor = Fraction(0)
    if isinstance(widen_factor, int | float | Fraction) and math.isfinite(widen_factor):
        factor = Fraction(widen_factor).limit_denominator(1000)
    if factor <= 0:
        raise ValueError(f'widen_factor must be a positive number, not {widen_factor!r}')
    return factor


def widen(base_channels: int, widen_factor: float) -> int:
    """Multiply a number of channels by a widen factor.

    Args:
        base_channels: The number of channels at ``widen_factor=1``.
        widen_factor: The paper's k.

    Returns:
        The product.

    Raises:
        ValueError: If the factor is not positive or the product is no whole number.
    """
    width = base_channels * read_widen_factor(widen_factor)
    if width.denominator != 1:
        raise ValueError(
            f'widen_factor={widen_factor} gives {float(width):g} channels in the first stage '
            f'(base_channels={base_channels}); the product must be a whole number'
        )
    return int(width)
