"""Text in plots: names that fit, titles that break, and colors that can be read."""

import textwrap
from collections import Counter
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from wrn.training.evaluation.fonts import find_undrawable
from wrn_base.errors import count
from wrn_base.names import cut_middle, visible

_COLUMNS = 24  # of a name beside a plot
_NUMBER = 8  # columns for the number of a name
_NOTE_SIZE = 8.0  # points
_ASPECT = 0.62  # of a character of the usual font: its width by its size


def shorten(
    names: Sequence[str], numbers: Sequence[int] | None = None, columns: int = _COLUMNS
) -> tuple[list[str], str]:
    """Make names of any length and script fit beside a plot.

    Control characters and marks of direction are escaped, and blank names quoted. Long names lose
    their middle. If names are equal then, or have characters that no font has, their number stands
    for them.

    Args:
        names: The names.
        numbers: Their numbers. Defaults to None: from 0.
        columns: The columns of a name; a wide character takes two. Defaults to 24.

    Returns:
        The short names, and a note on those that are missing. The note is empty if none are.
    """
    numbers = range(len(names)) if numbers is None else numbers
    escaped = [visible(name) for name in names]
    undrawable = find_undrawable({c for name in escaped for c in name})
    short = [cut_middle(name, columns, cell_len) for name in escaped]
    times = Counter(short)
    missing = [i for i, name in enumerate(escaped) if undrawable & {*name}]
    alike = [i for i, name in enumerate(short) if times[name] > 1]
    for i in alike:
        short[i] = f'{set_cell_size(short[i], columns - _NUMBER).rstrip()}… #{numbers[i]}'
    for i in missing:
        short[i] = f'#{numbers[i]}'
    if not missing:
        return short, ''
    return short, (
        f'#{numbers[missing[0]]} is a number, from 0: no installed font can draw '
        f'{count(len(missing), "name")}'
    )


def break_lines(text: str, inches: float, size: float = _NOTE_SIZE) -> str:
    """Break a text into lines.

    Args:
        text: The text. Its own line breaks are kept.
        inches: The width of the plot.
        size: The size of the characters in points. Defaults to that of a note.
    """
    columns = max(20, int(inches * 72 / (size * _ASPECT)) - 2)
    return '\n'.join(textwrap.fill(line, columns) for line in text.splitlines())


def contrast(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the contrast of two colors by WCAG 2, from 1 to 21. Text needs 4.5.

    The definition is at https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.

    Args:
        first: A color: red, green and blue, from 0 to 1. More values are ignored.
        second: The other one.
    """
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: Sequence[float]) -> float:
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def text_color(background: Sequence[float]) -> str:
    """Return the color of a text, black or white, whichever has more contrast.

    The better one has a contrast of at least 4.58.

    Args:
        background: The color behind it, as for :func:`contrast`.
    """
    return max(('black', 'white'), key=lambda c: contrast(background, [float(c == 'white')] * 3))
