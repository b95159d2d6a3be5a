"""The geometry of line charts: scales, ticks, and the points of each line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wrn.report.number_text import format_count
from wrn.training.evaluation.line_chart import Chart, Line

#: The size of a chart, in the units of its drawing.
WIDTH, HEIGHT = 400, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, WIDTH - 14, 18, HEIGHT - 42
_HUGE = 1e100  # values from here on would overflow in the arithmetic of scales
_BUCKETS = 300  # parts of a long line; each is drawn by its lowest and its highest point
_TICKS = (3, 8)  # at least and at most, where there is a choice
_FEW = 40  # points; shorter lines get markers


@dataclass(frozen=True)
class Tick:
    """A tick of an axis: its position in the drawing and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Axis:
    """An axis from value ``low`` at position ``start`` to value ``high`` at position ``end``."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Return the position of a value, rounded to a tenth of a unit."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self, whole: bool = False) -> list[Tick]:
        """Return about six ticks at round values.

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
        for locator in locators:
            values = self._inside(np.asarray(locator.tick_values(self.low, self.high)))
            if _TICKS[0] <= len(values) <= _TICKS[1]:
                break
        return [Tick(self.place(value), format_tick(value)) for value in values]

    def _inside(self, values: np.ndarray) -> list[float]:
        return [v for v in values.tolist() if self._is_between(v)]

    def _is_between(self, value: float) -> bool:
        if self.log and value <= 0:
            return False
        first, last = sorted((self.start, self.end))
        return first <= self.place(value) <= last  # rounded, as ends of an axis may be ticks


def format_tick(value: float) -> str:
    """Return a value as a tick shows it, such as ``'0.05'`` and ``'1e-5'``."""
    return f'{value:.5g}'.replace('e-0', 'e-').replace('e+0', 'e')


@dataclass(frozen=True)
class DrawnLine:
    """A line as it is drawn.

    Attributes:
        name: Its name.
        path: The commands of an SVG path.
        markers: The points to mark, as x, y and text. Empty for long lines.
    """

    name: str
    path: str
    markers: Sequence[tuple[float, float, str]]


@dataclass(frozen=True)
class DrawnChart:
    """A chart as it is drawn.

    Attributes:
        title: What is drawn.
        x_label: The name and unit of the x axis.
        x_ticks: The ticks of the x axis.
        y_ticks: The ticks of the y axis.
        lines: The lines. Empty if no value can be drawn.
        mark: The position of the chosen model; None if there is none.
        mark_label: What the mark says.
        summary: The chart in words.
        note: How many values were left out; empty if none.
    """

    title: str
    x_label: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    lines: Sequence[DrawnLine]
    mark: float | None
    mark_label: str
    summary: str
    note: str


def draw_chart(chart: Chart) -> DrawnChart:
    """Lay out a chart.

    Args:
        chart: The chart. Values that are not finite, or huge, are left out, and on a logarithmic
            axis those that are not positive.
    """
    points = [_drawable(line, chart) for line in chart.lines]
    left_out = sum(len(line.x) - len(p) for line, p in zip(chart.lines, points, strict=True))
    note = _say_left_out(left_out)
    everything = np.concatenate(points) if points else np.empty((0, 2))
    if not len(everything):
        text = f'{chart.title}: no value can be drawn'
        return DrawnChart(chart.title, chart.x_label, (), (), (), None, '', text, note)
    marked = chart.chosen is not None and math.isfinite(chart.chosen)
    marked = marked and (not chart.log_x or chart.chosen > 1 / _HUGE)  # type: ignore[operator]
    xs = np.append(everything[:, 0], [chart.chosen] if marked else [])
    x_axis = _make_axis(xs, _LEFT, _RIGHT, chart.log_x, 0.02)
    y_axis = _make_axis(everything[:, 1], _BOTTOM, _TOP, chart.log_y, 0.06)
    whole = bool((xs == np.round(xs)).all())
    lines = [
        _draw_line(line.name, p, x_axis, y_axis, chart)
        for line, p in zip(chart.lines, points, strict=True)
        if len(p)
    ]
    return DrawnChart(
        title=chart.title,
        x_label=chart.x_label,
        x_ticks=x_axis.ticks(whole),
        y_ticks=y_axis.ticks(),
        lines=lines,
        mark=x_axis.place(chart.chosen) if marked else None,  # type: ignore[arg-type]
        mark_label=chart.chosen_label,
        summary=_summarize(chart, points),
        note=note,
    )


def _drawable(line: Line, chart: Chart) -> np.ndarray:
    """Return the points of a line that can be drawn, ``(N, 2)``."""
    points = np.column_stack([np.asarray(line.x, float), np.asarray(line.y, float)])
    keep = (np.abs(points) < _HUGE).all(axis=1)  # False for NaN, too
    for column, log in enumerate((chart.log_x, chart.log_y)):
        if log:
            keep &= points[:, column] > 1 / _HUGE
    return points[keep]


def _say_left_out(number: int) -> str:
    if not number:
        return ''
    return f'{format_count(number, "value")} without a place on the axes, such as NaN, not drawn.'


def _make_axis(values: np.ndarray, start: float, end: float, log: bool, pad: float) -> Axis:
    """Make an axis with some space at both ends."""
    low, high = float(values.min()), float(values.max())
    if log:
        factor = (high / low) ** pad if high > low else 2.0
        return Axis(low / factor, high * factor, start, end, log=True)
    space = (high - low) * pad or max(abs(low) * pad, 0.5)
    return Axis(low - space, high + space, start, end)


def _draw_line(
    name: str, points: np.ndarray, x_axis: Axis, y_axis: Axis, chart: Chart
) -> DrawnLine:
    shown = _thin(points)
    places = [(x_axis.place(x), y_axis.place(y)) for x, y in shown.tolist()]
    path = 'M' + 'L'.join(f'{x:g} {y:g}' for x, y in places)
    markers = [
        (*place, f'{name}, {chart.x_label} {x:.6g}: {y:.4g}')
        for place, (x, y) in zip(places, shown.tolist(), strict=True)
        if len(points) <= _FEW
    ]
    return DrawnLine(name, path, markers)


def _thin(points: np.ndarray) -> np.ndarray:
    """Return a line that looks the same, of at most two points a bucket and both ends."""
    if len(points) <= 2 * _BUCKETS:
        return points
    keep = {0, len(points) - 1}
    for bucket in np.array_split(np.arange(len(points)), _BUCKETS):
        values = points[bucket, 1]
        keep |= {int(bucket[values.argmin()]), int(bucket[values.argmax()])}
    return points[sorted(keep)]


def _summarize(chart: Chart, points: Sequence[np.ndarray]) -> str:
    lines = [
        f'{line.name} from {p[0, 1]:.4g} to {p[-1, 1]:.4g}'
        for line, p in zip(chart.lines, points, strict=True)
        if len(p)
    ]
    mark = f'; {chart.chosen_label}' if chart.chosen_label else ''
    return f'{chart.title} by {chart.x_label}: {", ".join(lines)}{mark}'
