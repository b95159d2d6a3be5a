"""The page of a report and its plots draw the same chart."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb

from wrn.head_only.logistic_regression import STRENGTHS, Trial
from wrn.head_only.trial_curves import make_trial_curves
from wrn.report.charts import draw_chart
from wrn.training.evaluation.calibration import Bin
from wrn.training.evaluation.curve_charts import make_curves
from wrn.training.evaluation.curve_plots import COLORS, draw_curves
from wrn.training.evaluation.plot_scale import make_scales
from wrn.training.evaluation.reliability import draw_reliability


def make_runs():
    log = []
    for epoch in (1, 2, 3):
        log.append(dict(loss=1 / epoch, epoch_loss=1 / epoch, lr=0.1, iter=9 * epoch, epoch=epoch))
        log.append({'accuracy/top1': 98 + epoch / 2, 'calibration/nll': 0.5, 'step': epoch})
    trials = [Trial(s, 0.1, 100.0, 0.3 + s, 97.0, True) for s in STRENGTHS]
    return {
        'run': make_curves('pets', log, tested=2),
        'head only': make_trial_curves('pets', trials, trials[0]),
    }


@pytest.mark.parametrize('run', make_runs().values(), ids=make_runs())
def test_the_page_and_the_plot_agree(run):
    figure = draw_curves([run])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes, chart in zip(figure.axes, run.charts, strict=True):
        drawn = draw_chart(chart)
        for axis, ticks in ((axes.xaxis, drawn.x_ticks), (axes.yaxis, drawn.y_ticks)):
            assert [label.get_text() for label in axis.get_ticklabels()] == [t.text for t in ticks]
        scales = make_scales(chart)
        assert [axes.get_xlim(), axes.get_ylim()] == [(s.low, s.high) for s in scales]
        for line, shown in zip(axes.lines, drawn.lines, strict=False):
            assert line.get_label() == shown.name
            assert shown.look == (shown.name == 'validation')
            assert to_hex(line.get_color()) == COLORS[shown.look].lower()
        if chart.percent:
            assert scales[1].high < 101
            assert all(float(tick.text) <= 100 for tick in drawn.y_ticks)
        if legend := axes.get_legend():  # it covers no line
            box = legend.get_window_extent(canvas.get_renderer())
            assert box.y1 <= axes.get_window_extent().y0


def test_no_mark_of_the_calibration_is_cut():
    figure = draw_reliability([Bin(0, 0.5, 0, 0, 0), Bin(0.5, 1, 9, 1.0, 1.0)])
    pixels = draw_pixels(figure)
    x, y = figure.axes[0].transData.transform((100, 100))
    color = 255 * np.array(to_rgb(COLORS[1]))
    height = pixels.shape[0]
    beyond = pixels[int(height - y) - 2 : int(height - y) + 2, int(x) + 2 : int(x) + 8, :3]
    assert np.abs(beyond - color).max(axis=2).min() < 9


def draw_pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).astype(float)
