"""Scales of charts: what their axes show, and ticks at round values.

The page of a report and the plots use the same.
"""

from dataclasses import dataclass

import numpy as np

from wrn.training.evaluation.line_chart import Chart, Line

_HUGE = 1e100  # values from here on would overflow in the arithmetic of scales
_MARGIN = 0.05  # of the extent, so that no mark is cut
_PERCENT = 4  # the least extent of an axis of percentages
_TICKS = (3, 8)  # at least and at most, where there is a choice


@dataclass(frozen=True)
class Scale:
    """The part of an axis that is shown.

    Attributes:
        low: The lower end.
        high: The upper end.
        log: Whether it is logarithmic. Defaults to False.
    """

    low: float
    high: float
    log: bool = False

    def ticks(self, whole: bool = False) -> list[float]:
        """Return about six round values.

        Args:
            whole: Whether only whole numbers make sense. Defaults to False.
        """
        from matplotlib.ticker import Locator, LogLocator, MaxNLocator  # slow to import

        # A logarithmic axis of few decades has ticks between them, and one of a part of a decade
        # those of a linear axis.
        locators: list[Locator] = [
            LogLocator(subs=subs, numticks=6) for subs in ((1,), (1, 2, 5)) if self.log
        ]
        locators.append(MaxNLocator(6, steps=[1, 2, 5, 10], integer=whole, min_n_ticks=1))
        slack = 1e-4 * (self.high - self.low)  # an end of the axis may be a tick
        for locator in locators:
            values = np.asarray(locator.tick_values(self.low, self.high))
            low, high = self.low - slack * (not self.log), self.high + slack
            values = values[(low <= values) & (values <= high)]
            if _TICKS[0] <= len(values) <= _TICKS[1]:
                break
        return values.tolist()


def select_points(line: Line) -> np.ndarray:
    """Return the points of a line that can be drawn, ``(N, 2)``: the finite ones.

    Args:
        line: The line.
    """
    points = np.column_stack([np.asarray(line.x, float), np.asarray(line.y, float)])
    return points[(np.abs(points) < _HUGE).all(axis=1)]  # False for NaN, too


def make_scales(chart: Chart) -> tuple[Scale, Scale]:
    """Make the scales of the axes of a chart.

    An axis that may be logarithmic is if its values are positive and span a factor of 10. A linear
    one has better labels for less, and shows zeros. It starts at 0, and so does each linear x axis.
    Percentages below 0 and above 100 are not shown, but for a margin.

    Args:
        chart: The chart.

    Returns:
        The scales of x and y.
    """
    xs, ys = np.concatenate([np.empty((0, 2)), *map(select_points, chart.lines)]).T
    if chart.chosen is not None and abs(chart.chosen) < _HUGE:
        xs = np.append(xs, chart.chosen)
    if chart.log_x and _spans(xs):
        x_scale = _make_log(xs)
    else:
        low, high = min(xs.min(initial=0), 0), xs.max(initial=0 if chart.log_x else 1)
        x_scale = Scale(float(low), float(high + 0.03 * (high - low)) or 1)
    return x_scale, _make_y_scale(ys, chart)


def _make_y_scale(ys: np.ndarray, chart: Chart) -> Scale:
    if not len(ys):
        return Scale(0, 1)
    if chart.log_y and not chart.percent and _spans(ys):
        return _make_log(ys)
    low, high = float(ys.min()), float(ys.max())
    if chart.percent:
        more = max(_MARGIN * (high - low), (_PERCENT - (high - low)) / 2)
        low, high = max(low - more, 0), min(high + more, 100)
        margin = (_MARGIN - 0.01) * (high - low)  # less than the distance of two labels
        return Scale(low - margin, high + margin)
    if chart.log_y and low >= 0:  # a constant rate would have an axis of its rounding
        return Scale(0, high * (1 + _MARGIN) or 1)
    space = _MARGIN * (high - low) or max(abs(low) * _MARGIN, 0.5)
    return Scale(low - space, high + space)


def format_tick(value: float) -> str:
    """Return a value as a tick shows it, such as ``'0.05'`` and ``'1e-5'``."""
    return f'{value:.5g}'.replace('e-0', 'e-').replace('e+0', 'e')


def _spans(numbers: np.ndarray) -> bool:
    return bool(len(numbers) and numbers.min() > 1 / _HUGE and numbers.max() >= 10 * numbers.min())


def _make_log(numbers: np.ndarray) -> Scale:
    low, high = float(numbers.min()), float(numbers.max())
    factor = (high / low) ** _MARGIN
    return Scale(low / factor, high * factor, log=True)
