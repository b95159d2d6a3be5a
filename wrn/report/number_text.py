"""Numbers and names as the page shows them."""

import math
import re

from wrn_base.names import cut_middle
from wrn_base.terminal import printable

_LONGEST = 40  # characters of a name where space is short


def format_loss(value: float) -> str:
    """Return a loss with two decimals, and one that is rounded to 0 but is not as a bound."""
    if not math.isfinite(value):
        return 'unknown' if math.isnan(value) else 'infinite'
    text = f'{abs(value):.2f}'
    return '< 0.01' if value and float(text) == 0 else text


def make_sentence(text: str) -> str:
    """Return a note in one line, with a capital, unless it begins with a term, and a full stop."""
    text = printable(text.strip())
    if re.match(r'[a-z]+[ ,:]', text):  # not "t-SNE"
        text = text[0].upper() + text[1:]
    return text if not text or text.endswith(('.', '!', '?', '…')) else f'{text}.'


def cut(text: str, longest: int = _LONGEST) -> str:
    """Return a text in one line, without the middle of one that is too long."""
    return cut_middle(printable(text), longest)
