"""Plot how well the confidence of a network matches its accuracy."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wrn.training.evaluation.calibration import Bin
from wrn.training.evaluation.curve_plots import COLORS
from wrn.training.evaluation.proportion import Proportion
from wrn_base.errors import count
from wrn_base.percent import format_percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_reliability(bins: Sequence[Bin]) -> 'Figure':
    """Plot a reliability diagram, with the expected calibration error (ECE) in its title.

    It is that of `On Calibration of Modern Neural Networks <https://arxiv.org/abs/1706.04599>`_,
    with the number of images in each bin below. A bar ends at the accuracy of the bin; the mark is
    at its mean confidence, where the bar would end if the confidence were right.

    Args:
        bins: The images by confidence, as
            :func:`wrn.training.evaluation.calibration.group_by_confidence` returns them.

    Returns:
        The plot.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    ends = 100 * np.array([bins[0].low, *(one.high for one in bins)])
    number = np.array([one.count for one in bins])
    confidence, accuracy = 100 * np.array([(one.confidence, one.accuracy) for one in bins]).T
    total, used = int(number.sum()), number > 0
    figure = Figure(figsize=(5, 5.6), layout='constrained', dpi=150)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bars = dict(x=ends[:-1][used], width=np.diff(ends)[used], align='edge', edgecolor='white')
    upper.bar(height=accuracy[used], color=COLORS[0], label='accuracy', **bars)
    upper.plot([0, 100], [0, 100], color='0.4', linestyle='--', label='perfect calibration')
    marks: dict[str, Any] = dict(marker='D', linestyle='none', color=COLORS[1])
    # Without clipping, else half of a mark at 100 % is cut.
    marks |= dict(markeredgecolor='white', clip_on=False, zorder=3)
    upper.plot(confidence[used], confidence[used], label='mean confidence', **marks)
    upper.set(ylabel='accuracy (%)', xlim=(0, 100), ylim=(0, 100), aspect='auto')
    upper.legend(fontsize='small')
    lower.bar(height=number[used], color='0.5', **bars)
    lower.set(xlabel='confidence: the probability of the predicted class (%)', ylabel='images')
    lower.set_ylim(0, max(1, number.max(initial=0)) * 1.05)
    lower.yaxis.set_major_locator(MaxNLocator(3, integer=True, min_n_ticks=1))
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    title = 'Calibration: no images'
    if total:
        error = (number * abs(accuracy - confidence)).sum() / total
        title = f'Calibration of {count(total, "image", ",")}\n'
        correct = round((number * accuracy).sum() / 100)
        decimals = Proportion(correct, total).interval_decimals
        title += f'expected calibration error {format_percent(error, decimals)}'
    figure.suptitle(title, fontsize=11)
    return figure
