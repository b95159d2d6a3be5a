"""Plot the curves of training runs."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from wrn.training.evaluation.curves import count_steps
from wrn.training.evaluation.plot_scale import bound_percent, set_log_scale
from wrn.training.evaluation.plot_text import break_lines, shorten
from wrn.training.main_metric import label_metric
from wrn_base.errors import count
from wrn_base.progress_line import is_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colors that the color-blind can tell apart, by `Okabe and Ito <https://jfly.uni-koeln.de/color/>`_.
COLORS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
_STYLES = ('-', '--', ':', '-.')  # of more runs than colors
_FEW = 30  # points; shorter curves get markers
_PANEL = (3.6, 3.0)  # inches
_LEGEND = 12  # runs that are named
_TITLE, _NAME = 60, 40  # columns of the name of a run, in the title and in the legend
_RATE = 'learning rate'
_ACCURACY = 'accuracy/top1'
_OF_TRAINING = 'accuracy_top-1'  # what a head with cal_acc logs
_LOSS = '/nll'  # the end of the name of a validation's loss


def draw_curves(
    runs: Mapping[str, Sequence[dict[str, Any]]], tested: int | None = None
) -> 'Figure':
    """Plot loss, accuracy and learning rate over the epochs, of training and of validation.

    A run without validation has no plot of the accuracy. Instead of the top-1 accuracy, the plot
    has the first metric in percent if that is all that was logged.

    Args:
        runs: The lines of each log by the name of its run, as returned by
            :func:`wrn.training.evaluation.curves.read_log`.
        tested: The epoch whose weights were tested, which is marked. Defaults to None, which marks
            the best epoch of the validation, the last of several equal ones.

    Returns:
        The plots, side by side.
    """
    from matplotlib.figure import Figure  # slow to import, and needed by few commands

    metric = _find_metric([line for lines in runs.values() for line in lines])
    panels = ('loss', *([metric] if metric else []), _RATE)
    short, note = shorten([*runs], columns=_TITLE if len(runs) == 1 else _NAME)
    legend = min(len(runs), _LEGEND) if len(runs) > 1 else 0
    width, height = _PANEL[0] * len(panels), _PANEL[1] + 0.9 + 0.2 * legend
    figure = Figure(figsize=(width, height), layout='constrained', dpi=150)
    axes = dict(zip(panels, figure.subplots(1, len(panels)), strict=True))
    looks = cycle((color, style) for style in _STYLES for color in COLORS)
    several, ends = len(runs) > 1, []
    marks: list[int] = []
    for lines, (color, style) in zip(runs.values(), looks, strict=False):
        look = dict(color=color, linestyle=style)
        ends.append(_draw_training(axes, lines, look))
        if metric:
            marks += _draw_validation(axes, lines, metric, tested, several, look)
    for name, axis in axes.items():
        _finish(axis, name, max(ends))
        if not several:  # lines of several runs would hide the curves
            for epoch in marks:
                axis.axvline(epoch, color='0.5', linestyle=':', linewidth=1, zorder=0)
            if axis.get_legend_handles_labels()[1]:
                axis.legend(fontsize='small')
    if several:
        _name_runs(figure, axes['loss'], short)
    title = f'Training of {f"{len(runs)} runs" if several else short[0]}'
    title += f', {count(int(np.ceil(max(ends))), "epoch")}'
    figure.suptitle(break_lines(title, width, 11), fontsize=11, parse_math=False)
    notes = [note] if note else []
    if len(runs) > _LEGEND:
        notes.append(f'The first {_LEGEND} of {len(runs)} runs are named')
    if notes:
        figure.supxlabel('\n'.join(notes), fontsize=8, x=0.02, ha='left')
    return figure


def find_best_epoch(lines: Sequence[dict[str, Any]], metric: str) -> int | None:
    """Return the epoch with the highest value of a metric, the last of several equal ones.

    Args:
        lines: The lines of a log, as returned by
            :func:`wrn.training.evaluation.curves.read_log`.
        metric: The name of the metric.

    Returns:
        The epoch, from 1. None if the metric was never logged.
    """
    values = [(line[metric], line['step']) for line in lines if _has(line, metric)]
    return max(values)[1] if values else None


def _has(line: dict[str, Any], name: str) -> bool:
    """Return whether a line of validation has a metric."""
    values = (line.get(name), line.get('step'))
    return 'loss' not in line and all(isinstance(value, int | float) for value in values)


def _find_metric(lines: Sequence[dict[str, Any]]) -> str | None:
    names = [name for line in lines for name in line if _has(line, name) and is_percent(name)]
    return _ACCURACY if _ACCURACY in names else next(iter(names), None)


def _draw_training(
    axes: Mapping[str, 'Axes'], lines: Sequence[dict[str, Any]], look: dict[str, Any]
) -> float:
    """Draw what was logged in training, and return the last epoch."""
    training = [line for line in lines if 'loss' in line]
    steps = count_steps(training)
    epochs = [line['iter'] / steps for line in training]
    look = look | dict(marker='.' if len(training) < _FEW else None)
    axes['loss'].plot(epochs, [line['loss'] for line in training], label='training', **look)
    rates = [line.get('base_lr', line['lr']) for line in training]
    axes[_RATE].plot(epochs, rates, **look)
    return float(max(epochs))


def _draw_validation(
    axes: Mapping[str, 'Axes'],
    lines: Sequence[dict[str, Any]],
    metric: str,
    tested: int | None,
    several: bool,
    look: dict[str, Any],
) -> list[int]:
    """Draw what was logged in validation, and return the epoch that is marked, if there is one."""
    other = look if several else look | dict(color=COLORS[1])
    validation = [line for line in lines if _has(line, metric)]
    epochs = [line['step'] for line in validation]
    values = [line[metric] for line in validation]
    axes[metric].plot(epochs, values, marker='.', label='validation', **other)
    losses = [name for line in validation for name in line if name.endswith(_LOSS)][:1]
    for name in losses:
        points = [(line['step'], line[name]) for line in lines if _has(line, name)]
        axes['loss'].plot(*zip(*points, strict=True), marker='.', label='validation', **other)
    training = [line for line in lines if 'loss' in line]
    if metric == _ACCURACY and any(_OF_TRAINING in line for line in training):
        steps = count_steps(training)
        of_training = [
            (line['iter'] / steps, line[_OF_TRAINING]) for line in training if _OF_TRAINING in line
        ]
        axes[metric].plot(*zip(*of_training, strict=True), label='training', **look)
    epoch = find_best_epoch(lines, metric) if tested is None else tested
    if epoch is None:
        return []
    star = dict(marker='*', markersize=12, linestyle='none', color=other['color'])
    for value in [line[metric] for line in validation if line['step'] == epoch]:
        label = f'{"best" if tested is None else "tested"}: epoch {epoch}, {value:.1f} %'
        axes[metric].plot([epoch], [value], label=label, **star)
    return [epoch]


def _finish(axis: 'Axes', name: str, last: float) -> None:
    """Name the axes of a plot, and choose their ticks."""
    from matplotlib.ticker import MaxNLocator

    percent = is_percent(name)
    axis.set(title=f'{label_metric(name)} (%)' if percent else name, xlabel='epoch')
    axis.set_xlim(0, max(1, last) * 1.03)
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axis.grid(alpha=0.3)
    if percent:
        bound_percent(axis)
    else:
        values = [line.get_ydata() for line in axis.lines]
        set_log_scale(axis, 'y', np.concatenate(values) if values else [])
    if name == _RATE and axis.get_yscale() == 'linear':
        axis.set_ylim(bottom=0)  # a constant rate would have an axis of its rounding


def _name_runs(figure: 'Figure', axes: 'Axes', names: Sequence[str]) -> None:
    handles = [line for line in axes.lines if line.get_label() == 'training'][:_LEGEND]
    legend = figure.legend(
        handles, names[: len(handles)], loc='outside lower center', fontsize='small', ncols=2
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
