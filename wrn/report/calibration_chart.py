"""The geometry of a calibration diagram."""

from collections.abc import Sequence
from dataclasses import dataclass

from wrn.report.charts import Axis, Tick
from wrn.training.evaluation.calibration import Bin
from wrn.training.evaluation.plot_scale import Scale
from wrn_base.errors import count
from wrn_base.percent import format_percent

#: The size of the diagram, in the units of its drawing.
WIDTH, HEIGHT = 400, 400
_LEFT, _RIGHT = 46, WIDTH - 14
_TOP, _BOTTOM = 14, 290  # of the accuracies
_COUNTS_TOP, _COUNTS_BOTTOM = 304, 346  # of the numbers of images


@dataclass(frozen=True)
class Bar:
    """A bin as it is drawn.

    Attributes:
        x: The left end of the bar.
        width: Its width.
        top: The position of the accuracy.
        mean: The position of the mean confidence.
        count_top: The top of the bar of the number of images.
        count: The number of images, in at most five characters.
        text: The bin in words.
    """

    x: float
    width: float
    top: float
    mean: float
    count_top: float
    count: str
    text: str


@dataclass(frozen=True)
class CalibrationChart:
    """The bars of the bins that have images, the ticks of both axes, and the whole in words."""

    bars: Sequence[Bar]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    summary: str


def draw_calibration(bins: Sequence[Bin]) -> CalibrationChart:
    """Lay out a calibration diagram.

    Args:
        bins: The bins, of which those without images get no bar.
    """
    percent = Scale(0, 100)
    x_axis, y_axis = Axis(percent, _LEFT, _RIGHT), Axis(percent, _BOTTOM, _TOP)
    most = max((b.count for b in bins), default=0)
    counts = Axis(Scale(0, max(most, 1)), _COUNTS_BOTTOM, _COUNTS_TOP)
    bars = [
        Bar(
            x=x_axis.place(100 * b.low) + 0.8,
            width=round(x_axis.place(100 * b.high) - x_axis.place(100 * b.low) - 1.6, 1),
            top=y_axis.place(100 * b.accuracy),
            mean=y_axis.place(100 * b.confidence),
            count_top=min(counts.place(b.count), _COUNTS_BOTTOM - 1.0),
            count=_shorten(b.count),
            text=_describe(b),
        )
        for b in bins
        if b.count
    ]
    summary = 'Accuracy by confidence. ' + '; '.join(bar.text for bar in bars)
    return CalibrationChart(bars, x_axis.ticks(), y_axis.ticks(), summary)


def _shorten(number: int) -> str:
    if number < 10_000:
        return str(number)
    return f'{number / 1000:.0f}k' if number < 1_000_000 else f'{number / 1e6:.0f}M'


def _describe(b: Bin) -> str:
    return (
        f'confidence {100 * b.low:.0f} to {100 * b.high:.0f} %: {count(b.count, "image", ",")}, '
        f'mean confidence {format_percent(100 * b.confidence)}, '
        f'accuracy {format_percent(100 * b.accuracy)}'
    )
