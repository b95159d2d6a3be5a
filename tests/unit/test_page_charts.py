"""The geometry of the charts of a report's page, its matrix, its numbers and its colors."""

import re

import numpy as np
import pytest
from report_content import make_content

from wrn.report.calibration_chart import draw_calibration
from wrn.report.charts import Axis, draw_chart
from wrn.report.confusion_view import view_confusion
from wrn.report.content import Embedding
from wrn.report.embedding_chart import draw_embedding
from wrn.report.number_text import cut
from wrn.report.page import render_page
from wrn.training.evaluation.calibration import Bin
from wrn.training.evaluation.line_chart import Chart, Line
from wrn.training.evaluation.plot_scale import Scale

DIGITS = [str(digit) for digit in range(10)]


def test_many_classes_are_summed_up():
    rng = np.random.default_rng(0)
    matrix = rng.poisson(0.01, (200, 200)) + np.diag(rng.integers(0, 50, 200))
    matrix[[3, 50, 7], [50, 3, 180]] = 30, 20, 10
    view = view_confusion(matrix)
    assert [(c.true, c.predicted, c.count) for c in view.confusions[:3]] == [
        (3, 50, 30),
        (50, 3, 20),
        (7, 180, 10),
    ]
    assert {3, 50, 7, 180} <= {*view.classes}
    assert len(view.classes) == 20
    assert len(view.confusions) == 50
    mistakes = matrix - np.diag(matrix.diagonal())
    assert view.kinds == (mistakes > 0).sum()
    assert view.wrong == mistakes.sum()
    cells = np.array([[cell.count for cell in row] for row in view.rows])
    chosen, others = [*view.classes], [i for i in range(200) if i not in view.classes]
    np.testing.assert_array_equal(cells[:20, :20], matrix[np.ix_(chosen, chosen)])
    np.testing.assert_array_equal(cells[20, :20], matrix[np.ix_(others, chosen)].sum(axis=0))
    np.testing.assert_array_equal(cells[:20, 20], matrix[np.ix_(chosen, others)].sum(axis=1))
    assert cells.sum() == matrix.sum()


def test_confused_classes_stand_together():
    matrix = np.diag(np.full(6, 50))
    for pair in ((0, 3), (1, 4), (2, 5)):
        matrix[pair] = 9
    order = view_confusion(matrix).order
    assert sorted(order) == [*range(6)]
    assert all(abs(order[i] - order[i + 3]) == 1 for i in range(3))
    assert view_confusion(np.diag(np.full(6, 50))).order == ()


def test_embedding_keeps_distances_and_leaves_out_what_has_no_place():
    content = make_content(DIGITS, 50)
    points = content.embedding.points.copy()
    points[3], points[4] = np.nan, np.inf
    chart = draw_embedding(content, Embedding([*range(49), 999], points, ''))
    assert len(chart.points) == 47
    assert chart.note == '3 of 50 points have no image or no position.'
    places = {p.key: np.array([p.x, p.y]) for p in chart.points}
    keys = sorted(places)
    drawn = np.linalg.norm(places[keys[0]] - [places[k] for k in keys[1:]], axis=1)
    expected = np.linalg.norm(points[keys[0]] - points[keys[1:]], axis=1)
    np.testing.assert_allclose(drawn, expected * (drawn / expected).mean(), atol=0.3)
    assert all(0 <= x <= 640 and 0 <= y <= 480 for x, y in places.values())
    assert [p.wrong for p in chart.points] == sorted(p.wrong for p in chart.points)
    assert {p.color for p in chart.points} == {content.images[k].label for k in keys}
    huge = Embedding([0, 1], np.array([[1.7e308, 0], [-1.7e308, 1]]), '')
    assert [p.x for p in draw_embedding(content, huge).points] == [626, 14]


def test_color_of_many_classes_is_right_or_wrong():
    content = make_content([f'{i}' for i in range(11)], 50)
    chart = draw_embedding(content, content.embedding)
    assert all(point.color == point.wrong for point in chart.points)
    assert 'the color is right or wrong' in ' '.join(render_page(content).split())


def test_charts_place_values():
    chart = Chart(
        'loss',
        'epoch',
        [Line('a', [1, 2, 4], [1.0, 10.0, 0.1])],
        log_y=True,
        chosen=2,
        chosen_label='best',
    )
    drawn = draw_chart(chart)
    (line,) = drawn.lines
    (x1, y1), (x2, y2), (x4, y4) = [(x, y) for x, y, _ in line.markers]
    assert x4 - x2 == pytest.approx(2 * (x2 - x1), abs=0.2)
    assert y1 - y2 == pytest.approx(y4 - y1, abs=0.2)  # a decade each
    assert drawn.mark == x2
    assert line.path == f'M{x1:g} {y1:g}L{x2:g} {y2:g}L{x4:g} {y4:g}'
    assert {tick.text: tick.at for tick in drawn.y_ticks}['1'] == pytest.approx(y1, abs=0.1)
    assert [tick.text for tick in drawn.x_ticks] == ['0', '1', '2', '3', '4']
    assert line.markers[0][2] == 'a, epoch 1: 1'


@pytest.mark.parametrize(
    ('low', 'high', 'log', 'texts'),
    [
        (0, 1, False, ['0', '0.2', '0.4', '0.6', '0.8', '1']),
        (0, 12, False, ['0', '2', '4', '6', '8', '10', '12']),
        (9e-6, 2e-2, True, ['1e-5', '0.0001', '0.001', '0.01']),
        (0.04, 2, True, ['0.05', '0.1', '0.2', '0.5', '1', '2']),
        (0.51, 0.55, True, ['0.51', '0.52', '0.53', '0.54', '0.55']),
        (1e-25, 2, True, ['1e-25', '1e-20', '1e-15', '1e-10', '1e-5', '1']),
        (-1e9, 3e9, False, ['-1e9', '0', '1e9', '2e9', '3e9']),
    ],
)  # fmt: skip
def test_ticks_are_round(low, high, log, texts):
    ticks = Axis(Scale(low, high, log), 0, 400).ticks()
    assert [tick.text for tick in ticks] == texts
    assert all(0 <= tick.at <= 400 for tick in ticks)


@pytest.mark.parametrize('log', [False, True])
@pytest.mark.parametrize(
    ('values', 'drawn', 'note'),
    [
        (
            [np.nan, 1.0, np.inf, 2.0],
            2,
            '2 values without a place on the axes, such as NaN, not drawn.',
        ),
        ([np.nan], 0, '1 value without a place on the axes, such as NaN, not drawn.'),
        ([], 0, ''),
        ([3.0], 1, ''),
        ([5.0, 5.0], 2, ''),
        ([1e308, 1e-90, 1.0], 2, '1 value without a place on the axes, such as NaN, not drawn.'),
    ],
)
def test_charts_of_odd_values(values, drawn, note, log):
    chart = Chart(
        'loss', 'epoch', [Line('a', range(len(values)), values)], log_y=log, chosen=np.nan
    )
    result = draw_chart(chart)
    assert sum(len(line.markers) for line in result.lines) == drawn
    assert result.note == note
    assert result.mark is None
    content = make_content(DIGITS, 20)
    content.charts = [chart]
    text = render_page(content)
    assert ('No value can be drawn.' in text) == (drawn == 0)
    assert not re.search(r'[ "M]nan|[ "M-]inf\b', text[: text.index('id="confusion"')])


def test_long_lines_keep_their_peaks():
    y = np.zeros(100_000)
    y[43_210] = 7
    drawn = draw_chart(Chart('loss', 'step', [Line('a', range(len(y)), y)]))
    places = [tuple(map(float, p.split())) for p in drawn.lines[0].path[1:].split('L')]
    assert len(places) <= 602
    assert min(p[1] for p in places) < 50 < 150 < max(p[1] for p in places)
    assert places == sorted(places, key=lambda p: p[0])


def test_calibration_draws_accuracies_and_counts():
    bins = [Bin(0, 0.5, 0, 0, 0), Bin(0.5, 0.75, 20, 0.7, 0.5), Bin(0.75, 1, 123_456, 0.9, 1.0)]
    chart = draw_calibration(bins)
    assert [bar.count for bar in chart.bars] == ['20', '123k']
    ticks = {tick.text: tick.at for tick in chart.y_ticks}
    assert chart.bars[1].top == ticks['100']
    assert chart.bars[0].top == pytest.approx((ticks['40'] + ticks['60']) / 2, abs=0.1)
    assert (
        chart.bars[0].text
        == 'confidence 50 to 75 %: 20 images, mean confidence 70.0 %, accuracy 50.0 %'
    )
    content = make_content(DIGITS, 20)
    content.bins = bins
    text = ' '.join(render_page(content).split())
    assert 'The expected calibration error (ECE) is 2 %' in text
    assert (
        'Over all 123,476 images, the mean confidence is 90.0 % and the accuracy is &gt; 99.9 %.'
        in text
    )


def test_cut_has_one_line():
    assert cut('a\nb') == 'a\\nb'


def test_colors_have_contrast(checkout):
    css = checkout.joinpath('wrn/report/templates/report.css').read_text()

    def luminance(color):
        color = color.lstrip('#')
        color = ''.join(2 * c for c in color) if len(color) == 3 else color
        rgb = np.array([int(color[i : i + 2], 16) / 255 for i in (0, 2, 4)])
        return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [
            0.2126,
            0.7152,
            0.0722,
        ]

    def contrast(a, b):
        low, high = sorted((luminance(a), luminance(b)))
        return (high + 0.05) / (low + 0.05)

    blocks = re.findall(r':root \{([^}]*)\}', css)
    assert len(blocks) == 3  # light, dark, print
    for block in blocks:
        colors = dict(re.findall(r'--(\w+): (#\w+)', block))
        pairs = [('text', 'hit'), ('text', 'miss'), ('text', 'card'), ('text', 'page')]
        pairs += [(name, 'card') for name in ('soft', 'accent', 'good', 'bad')]
        for a, b in pairs:
            assert contrast(colors[a], colors[b]) >= 4.5, (a, b)
        for name in ('line0', 'line1'):
            assert contrast(colors[name], colors['card']) >= 3, name
