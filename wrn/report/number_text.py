"""Numbers and names as the page shows them."""

import math

from wrn_base.terminal import printable

#: What stands for a value that does not exist: a dash.
MISSING = '\N{EN DASH}'
_LONGEST = 40  # characters of a name where space is short


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
    text, step = f'{value:.{decimals}f}', 10**-decimals
    if value > 0 and float(text) == 0:
        return f'< {step:.{decimals}f} %'
    if value < 100 and float(text) == 100:
        return f'> {100 - step:.{decimals}f} %'
    return f'{text} %'


def format_loss(value: float) -> str:
    """Return a loss with two decimals."""
    if math.isinf(value):
        return 'infinite'
    return 'unknown' if math.isnan(value) else f'{value:.2f}'


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``'1 image'`` and ``'1,024 classes'``."""
    plural = 'es' if noun.endswith('s') else 's'
    return f'{number:,} {noun}{"" if number == 1 else plural}'


def cut(text: str, longest: int = _LONGEST) -> str:
    """Return the start of a text that is too long, with an ellipsis."""
    text = printable(text)
    return text if len(text) <= longest else f'{text[: longest - 1]}…'
