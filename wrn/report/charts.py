"""The geometry of line charts: scales, ticks, and the points of each line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wrn.training.evaluation.line_chart import Chart, Line
from wrn.training.evaluation.plot_scale import (
    Scale,
    format_tick,
    make_scales,
    select_points,
)
from wrn_base.errors import count

#: The size of a chart, in the units of its drawing.
WIDTH, HEIGHT = 400, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, WIDTH - 14, 18, HEIGHT - 42
_BUCKETS = 300  # parts of a long line; each is drawn by its lowest and its highest point
_FEW = 40  # points; shorter lines get markers


@dataclass(frozen=True)
class Tick:
    """A tick of an axis: its position in the drawing and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Axis:
    """An axis whose scale begins at position ``start`` and ends at position ``end``."""

    scale: Scale
    start: float
    end: float

    def place(self, value: float) -> float:
        """Return the position of a value, rounded to a tenth of a unit."""
        low, high = self.scale.low, self.scale.high
        if self.scale.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self, whole: bool = False) -> list[Tick]:
        """Return the ticks of the scale.

        Args:
            whole: Whether only whole numbers make sense. Defaults to False.
        """
        return [Tick(self.place(value), format_tick(value)) for value in self.scale.ticks(whole)]


@dataclass(frozen=True)
class DrawnLine:
    """A line as it is drawn.

    Attributes:
        name: Its name.
        look: The number of its color and style.
        path: The commands of an SVG path.
        markers: The points to mark, as x, y and text. Empty for long lines.
    """

    name: str
    look: int
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
        chart: The chart. Values that are not finite, or huge, are left out.
    """
    points = [select_points(line) for line in chart.lines]
    left_out = sum(len(line.x) - len(p) for line, p in zip(chart.lines, points, strict=True))
    note = _say_left_out(left_out)
    if not any(map(len, points)):
        text = f'{chart.title}: no value can be drawn'
        return DrawnChart(chart.title, chart.x_label, (), (), (), None, '', text, note)
    chosen = chart.chosen
    if chosen is not None and not math.isfinite(chosen):
        chosen = None
    x_scale, y_scale = make_scales(chart)
    x_axis, y_axis = Axis(x_scale, _LEFT, _RIGHT), Axis(y_scale, _BOTTOM, _TOP)
    lines = [
        _draw_line(line, p, x_axis, y_axis, chart)
        for line, p in zip(chart.lines, points, strict=True)
        if len(p)
    ]
    return DrawnChart(
        title=chart.title,
        x_label=chart.x_label,
        x_ticks=x_axis.ticks(whole=not chart.log_x),
        y_ticks=y_axis.ticks(),
        lines=lines,
        mark=None if chosen is None else x_axis.place(chosen),
        mark_label=chart.chosen_label,
        summary=_summarize(chart, points),
        note=note,
    )


def _say_left_out(number: int) -> str:
    if not number:
        return ''
    return f'{count(number, "value", ",")} without a place on the axes, such as NaN, not drawn.'


def _draw_line(
    line: Line, points: np.ndarray, x_axis: Axis, y_axis: Axis, chart: Chart
) -> DrawnLine:
    shown = _thin(points)
    places = [(x_axis.place(x), y_axis.place(y)) for x, y in shown.tolist()]
    path = 'M' + 'L'.join(f'{x:g} {y:g}' for x, y in places)
    markers = [
        (*place, f'{line.name}, {chart.x_label} {x:.6g}: {y:.4g}')
        for place, (x, y) in zip(places, shown.tolist(), strict=True)
        if len(points) <= _FEW
    ]
    return DrawnLine(line.name, line.look, path, markers)


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
