"""Scales of axes whose labels are few and possible, and do not overlap."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DECADES = 2  # of a logarithmic axis that has labels at 2 and 5, too


def set_log_scale(axes: 'Axes', which: str, values: Iterable[float]) -> None:
    """Make an axis of a plot logarithmic if its values are positive and span a factor of 10.

    A linear axis has better labels for less, and shows zeros.

    Args:
        axes: The plot.
        which: ``'x'`` or ``'y'``.
        values: The values on it. Those that are not finite are ignored.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    numbers = np.array([*values], float)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers) or numbers.min() <= 0 or numbers.max() < 10 * numbers.min():
        return
    decades = np.log10(numbers.max() / numbers.min())
    axes.set(**{f'{which}scale': 'log'})
    axis = {'x': axes.xaxis, 'y': axes.yaxis}[which]
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades <= _DECADES else (1,), numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
    axis.set_minor_formatter(NullFormatter())


def bound_percent(axes: 'Axes') -> None:
    """Leave out what is below 0 and above 100 on the y axis of a plot of percentages.

    Args:
        axes: The plot, which has its lines.
    """
    low, high = axes.get_ylim()
    more = max(0, 2 - (high - low))  # of values that are all the same
    low, high = max(low - more, 0), min(high + more, 100)
    margin = 0.04 * (high - low)  # for the marks; less than the distance of two labels
    axes.set_ylim(low - margin, high + margin)
