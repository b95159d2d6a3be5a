"""A share in percent, as all commands and reports print it."""

import math

#: What stands for a value that does not exist: a dash.
MISSING = '\N{EN DASH}'


def format_percent(value: float, decimals: int = 1) -> str:
    """Return a value in percent with its unit.

    A value that is rounded to 0 or to 100 % but is neither is shown as a bound: 1 wrong image of
    10,000 is not an accuracy of 100 %.

    Args:
        value: The value, from 0 to 100.
        decimals: The number of decimals. Defaults to 1.
    """
    if not math.isfinite(value):
        return MISSING
    rounded, step = round(value, decimals), 10**-decimals
    if value > 0 and rounded == 0:
        return f'< {step:.{decimals}f} %'
    if value < 100 and rounded == 100:
        return f'> {100 - step:.{decimals}f} %'
    return f'{rounded + 0.0:.{decimals}f} %'  # without the sign of -0.0
