"""Plot the curves of training runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING, Any

from wrn.training.evaluation.line_chart import Chart, Curves, Line
from wrn.training.evaluation.plot_scale import Scale, format_tick, make_scales
from wrn.training.evaluation.plot_text import break_lines, shorten
from wrn_base.percent import format_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colors that the color-blind can tell apart, by `Okabe and Ito <https://jfly.uni-koeln.de/color/>`_.
COLORS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
_STYLES = ('-', '--', ':', '-.')  # of more runs than colors
_FEW = 30  # points; shorter curves get markers
_PANEL = (3.6, 3.0)  # inches
_LEGEND = 12  # runs that are named
_TITLE, _NAME = 60, 40  # columns of the title and of the name of a run in the legend


def draw_curves(runs: Sequence[Curves]) -> 'Figure':
    """Plot the curves of training runs: a chart of each kind, with a line for each run.

    Args:
        runs: The runs. That of one has lines of training and validation in two colors, and a mark
            at the model that was chosen.

    Returns:
        The charts, side by side.
    """
    from matplotlib.figure import Figure  # slow to import, and needed by few commands

    kinds = {chart.title: chart for run in runs for chart in run.charts}
    if len(runs) > 1:  # a metric that only some have would stand behind the learning rate
        kinds = dict(sorted(kinds.items(), key=lambda kind: kind[0] == runs[0].charts[-1].title))
    legend = min(len(runs), _LEGEND) if len(runs) > 1 else 0
    width, height = _PANEL[0] * len(kinds), _PANEL[1] + 0.9 + 0.2 * max(legend, 3)
    figure = Figure(figsize=(width, height), layout='constrained', dpi=150)
    axes = dict(zip(kinds, figure.subplots(1, len(kinds), squeeze=False)[0], strict=True))
    looks = cycle((color, style) for style in _STYLES for color in COLORS)
    for run, (color, style) in zip(runs, looks, strict=False):
        for chart in run.charts:
            look = dict(color=color, linestyle=style)
            _draw_lines(axes[chart.title], chart, look, several=len(runs) > 1)
    for title, chart in kinds.items():
        _finish(axes[title], replace(chart, lines=_find_lines(runs, title)))
        if len(runs) == 1:  # lines of several runs would hide the curves
            _mark(axes[title], chart)
    notes: list[str] = []
    if len(runs) > 1:
        notes += _name_runs(figure, next(iter(axes.values())), [run.name for run in runs])
        title = f'Training of {len(runs)} runs'
    else:
        (name,), note = shorten([runs[0].name], columns=_TITLE)
        notes += [note] if note else []
        title = f'{runs[0].what} of {name}, {runs[0].length}'
    figure.suptitle(break_lines(title, width, 11), fontsize=11, parse_math=False)
    if notes:
        figure.supxlabel('\n'.join(notes), fontsize=8, x=0.02, ha='left')
    return figure


def _draw_lines(axes: 'Axes', chart: Chart, look: Mapping[str, Any], several: bool) -> None:
    for line in chart.lines:
        own = look if several else dict(color=COLORS[line.look], linestyle=_STYLES[line.look])
        marker = '.' if len(line.x) < _FEW or line.name != 'training' else None
        axes.plot(line.x, line.y, marker=marker, label=line.name, **own)


def _mark(axes: 'Axes', chart: Chart) -> None:
    """Mark the model that was chosen, and name the lines if there are several."""
    if chart.chosen is not None:
        axes.axvline(chart.chosen, color='0.5', linestyle=':', linewidth=1, zorder=0)
        for line in chart.lines:
            _mark_value(axes, chart, line)
    if len(axes.get_legend_handles_labels()[1]) > 1 or chart.lines[0].name != 'training':
        # Below the chart, where it covers no line.
        axes.legend(fontsize='small', loc='upper center', bbox_to_anchor=(0.5, -0.17))


def _mark_value(axes: 'Axes', chart: Chart, line: Line) -> None:
    for x, y in zip(line.x, line.y, strict=True):
        if line.name == 'validation' and x == chart.chosen:
            value = format_percent(y) if chart.percent else f'{y:.3g}'
            star: dict[str, Any] = dict(
                marker='*', markersize=12, linestyle='none', color=COLORS[1]
            )
            axes.plot([x], [y], label=f'{chart.chosen_label}, {value}', **star)


def _finish(axes: 'Axes', chart: Chart) -> None:
    """Name the axes of a chart, and set their scales."""
    axes.set(title=chart.title, xlabel=chart.x_label)
    axes.grid(alpha=0.3)
    x_scale, y_scale = make_scales(chart)
    _set_scale(axes, 'x', x_scale, whole=not chart.log_x)
    _set_scale(axes, 'y', y_scale)


def _set_scale(axes: 'Axes', which: str, scale: Scale, whole: bool = False) -> None:
    ticks = scale.ticks(whole)
    if scale.log:
        axes.set(**{f'{which}scale': 'log'})
    labels = [format_tick(value) for value in ticks]
    axes.set(**{f'{which}lim': (scale.low, scale.high), f'{which}ticks': ticks})
    axes.set(**{f'{which}ticklabels': labels})
    axes.minorticks_off()


def _find_lines(runs: Sequence[Curves], title: str) -> list[Line]:
    """Return the lines of the charts of all runs that have a title."""
    charts = [chart for run in runs for chart in run.charts if chart.title == title]
    return [line for chart in charts for line in chart.lines]


def _name_runs(figure: 'Figure', axes: 'Axes', names: Sequence[str]) -> list[str]:
    """Add a legend of the runs, and return notes on it."""
    short, note = shorten([*names], columns=_NAME)
    handles = [line for line in axes.lines if line.get_label() == 'training'][:_LEGEND]
    legend = figure.legend(
        handles, short[: len(handles)], loc='outside lower center', fontsize='small', ncols=2
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    notes = [note] if note else []
    if len(names) > _LEGEND:
        notes.append(f'The first {_LEGEND} of {len(names)} runs are named')
    return notes
