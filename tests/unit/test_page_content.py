"""The page of a report: its figures, its charts, hostile names, and its size."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from report_content import HOSTILE, draw_jpeg, make_charts, make_content

from wrn.report.calibration_chart import draw_calibration
from wrn.report.charts import Axis, draw_chart
from wrn.report.confusion_view import view_confusion
from wrn.report.content import Bin, Chart, Content, Embedding, Line, NearPair
from wrn.report.embedding_chart import draw_embedding
from wrn.report.number_text import cut, format_percent
from wrn.report.page import render_page
from wrn.training.evaluation import CONFUSION, Report

DIGITS = [str(digit) for digit in range(10)]
MIB = 2**20


class Page(HTMLParser):
    """The tags, the names of attributes, the text, and the data for the script of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts, self.titles = Counter(), set(), [], []
        self.feed(html)
        self.text = ' '.join(' '.join(self.texts).split())
        self.data = json.loads(
            re.search(r'<script type="application/json" id="data">(.*?)</script>', html)[1]
        )

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attributes}
        self.titles += [value for name, value in attributes if name == 'title']

    def handle_data(self, data):
        self.texts.append(data)


def render(content):
    html = render_page(content)
    html.encode()  # to UTF-8, without lone surrogates
    return html


def test_headline_has_the_accuracy_with_its_interval():
    content = make_content(DIGITS)
    text = Page(render(content)).text
    value, details = str(content.report.accuracy).removesuffix(')').split(' (')
    assert f'Accuracy {value} {details} Balanced accuracy' in text
    assert 'Top-5 accuracy 99.2 %' in text
    assert 'ECE 2.4 %' in text
    assert 'Not in this report' in text
    assert 'its folder was not found' in text
    for name, value in content.facts:
        assert f'{name} {value}' in text


def test_top5_needs_more_than_five_classes_and_a_measurement():
    assert 'Top-5' not in Page(render(make_content(DIGITS[:5]))).text
    content = make_content(DIGITS)
    del content.report.metrics['accuracy/top5']
    assert 'Top-5' not in Page(render(content)).text


@pytest.mark.parametrize('classes', [2, 10, 30])
def test_matrix_has_all_counts_and_shares_of_rows(classes):
    content = make_content([f'class {i}' for i in range(classes)], shown=10)
    html = render(content)
    body = html[html.index('id="matrix"') : html.index('id="cell"')]
    counts = [
        int(n)
        for n in re.findall(r'<span class="count">(\d+)</span>|<td class="zero">0</td>', body)
        if n
    ]
    assert counts == [n for n in content.report.confusion.ravel().tolist() if n]
    assert body.count('class="zero"') == (content.report.confusion == 0).sum()
    shares = [float(n) for n in re.findall(r'<span class="share">([\d.]+) %', body)]
    confusion = content.report.confusion
    expected = 100 * confusion / confusion.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, expected[confusion > 0], atol=0.05)


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


def test_class_table_has_the_metrics_and_dashes():
    confusion = np.array([[8, 2, 0, 0], [1, 9, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]])
    report = Report({CONFUSION: confusion}, ['ant', 'bee', 'cat', 'dog'])
    text = Page(render(Content('model', [], report))).text
    assert 'ant 10 66.7 80.0 72.7 bee 10 81.8 90.0 85.7' in text
    assert 'cat 3 \N{EN DASH} 0.0 0.0' in text  # never predicted: no precision
    assert 'dog 0 \N{EN DASH} \N{EN DASH} \N{EN DASH}' in text


def test_multi_label_test_shows_what_exists():
    columns = {
        'precision': [50.0, 75.0],
        'recall': [40.0, 100.0],
        'f1-score': [44.4, 85.7],
        'support': [5, 3],
    }
    metrics = {f'classes/{name}_classwise': values for name, values in columns.items()}
    report = Report(metrics | {'multi-label/mAP': 71.52}, ['ant', 'bee'])
    page = Page(render(Content('model', [('Model', 'x')], report)))
    assert 'mAP 71.5 % mean average precision' in page.text
    assert 'Precision 62.5 % mean over the classes' in page.text
    assert 'ant 5 50.0 40.0 44.4' in page.text
    for absent in (
        'Accuracy',
        'Confusion matrix',
        'Training',
        'Near-duplicates',
        'Calibration',
        'Map of',
    ):
        assert absent not in page.text.replace('"', '')


@pytest.mark.parametrize(
    'names', [HOSTILE, [*HOSTILE, *(f'class {i}' for i in range(1000))]], ids=['10', '1010']
)
def test_names_are_text_whatever_they_are(names):
    hostile = make_content(names, 400, 0.3, shown=60)
    plain = make_content([f'{i}' for i in range(len(names))], 400, 0.3, shown=60)
    for content, texts in ((hostile, names), (plain, ['plain'])):
        title = texts[0]
        content.title = title
        content.facts = [(title, text) for text in texts]
        content.left_out = content.near_note = content.heat_note = title
        content.left_out = [title]
        content.galleries = [replace(g, title=title, note=title) for g in content.galleries]
        content.charts = [
            Chart(title, title, [Line(title, [1, 2], [3, 4])], chosen=1, chosen_label=title)
        ]
        content.near = [NearPair('split', texts[-1], title, 2)]
        content.embedding = replace(content.embedding, note=title)
    hostile_html, plain_html = render(hostile), render(plain)
    page, other = Page(hostile_html), Page(plain_html)
    more_facts = len(hostile.facts) - len(plain.facts)
    own = Counter(div=more_facts, dt=more_facts, dd=more_facts, bdi=more_facts)
    assert page.tags - own == other.tags
    assert not [name for name in page.attributes if name.startswith('on')]
    assert '49' not in [text.strip() for text in page.texts if '7*7' in text]
    assert 'x' * 300 in page.titles  # cut, with the whole name
    assert page.data['classes'][:3] == list(HOSTILE[:3])
    assert page.data['classes'][7] == 'a\\nb\\t\\x00\\x1b[31m'
    assert not re.search('[\x00-\x08\x1b\u202a-\u202e]', hostile_html)


def test_page_loads_nothing():
    html = render(make_content(DIGITS))
    assert (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
        in html
    )
    addresses = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert addresses
    assert not [a for a in addresses if not a.startswith(('data:', '#'))]
    assert not re.search(r'url\(|@import|fetch\(|XMLHttpRequest|import\(', html)
    # Each image of a gallery is in the file once, and the script takes it from there.
    data = Page(html).data['images']
    inlined = set(map(int, re.findall(r'data-key="(\d+)"', html[: html.index('id="near"')])))
    assert {int(key) for key, image in data.items() if not image['thumbnail']} == inlined


@pytest.mark.parametrize(
    ('names', 'options', 'sentence'),
    [
        (DIGITS, dict(wrong=0.0), 'No image was classified wrongly.'),
        (DIGITS, dict(wrong=1.0), '200 images are wrong'),
        (['only'], dict(), 'Accuracy 100.0 % 200 of 200'),
        (DIGITS, dict(count=1, wrong=0.0), '1 of 1; 95 % interval'),
        (DIGITS, dict(shown=0), 'No point can be drawn.'),
        ([f'{i}' for i in range(1000)], dict(wrong=0.0, shown=0), 'No image was classified wrongly.'),
    ],
    ids=['none wrong', 'all wrong', 'one class', 'one image', 'no images', 'none of 1000 wrong'],
)  # fmt: skip
def test_extreme_tests_have_a_page(names, options, sentence):
    html = render(make_content(names, **options))
    assert sentence in Page(html).text
    assert 'nan' not in Page(html).text.lower().split()
    assert len(html) < MIB


def test_page_without_thumbnails_and_parts():
    report = make_content(DIGITS).report
    text = Page(render(Content('model', [], report))).text
    assert 'Confusion matrix' in text
    assert 'Calibration' not in text
    assert 'Near-duplicates' not in text
    content = Content('model', [], report, near_note='Hashes of 200 images.')
    assert 'Near-duplicates Hashes of 200 images. None found.' in Page(render(content)).text


def test_scores_of_a_diverged_network_and_numbers_of_numpy():
    content = make_content(DIGITS, 20)
    odd = [(np.int64(3), np.float32('nan')), (np.int64(4), np.float32(0.25))]
    content.images = {
        np.int64(key): replace(image, label=np.int64(2), predictions=odd, loss=np.float32('inf'))
        for key, image in content.images.items()
    }
    content.cells = {(np.int64(2), np.int64(3)): np.array([1, 2, 999])}
    page = Page(render(content))
    assert page.data['cells'] == {'2-3': [1, 2]}
    image = page.data['images']['1']
    assert image['guesses'] == [[3, '\N{EN DASH}', 0], [4, '25.0 %', 25]]
    assert 'loss infinite' in page.text


def test_size_of_a_page_is_bounded():
    names = [f'{i:04} ' + 'x' * 295 for i in range(1000)]
    content = make_content(names, 5000, 0.3, shown=0)
    pair = NearPair('split', names[0], names[1], 3)
    content.near = [pair] * 5000
    content.charts = make_charts(100_000)
    html = render(content)
    print(f'{len(html):,} bytes for 1,000 names of 300 characters')
    assert len(html) < 1.5 * MIB
    assert 'The first 100 pairs are shown, 4,900 more were found.' in Page(html).text


def test_two_thousand_points_are_bounded():
    jpeg = draw_jpeg(np.random.default_rng(0))
    content = make_content(DIGITS, 200, shown=1)
    content.images = {
        key: replace(content.images[0], thumbnail=jpeg, heat_map=None) for key in range(2000)
    }
    points = np.random.default_rng(0).normal(size=(2000, 2))
    content.embedding = Embedding(range(2000), points, '2,000 images.')
    html = render(content)
    svg = html[html.index('id="map"') :].partition('</svg>')[0]
    assert svg.count('data-key') == 2000
    overhead = len(html) - 2000 * len(jpeg) * 4 / 3
    print(f'{len(html):,} bytes, {overhead / 2000:.0f} per point beside its image')
    assert overhead < 2000 * 500


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
    assert 'the color is right or wrong' in Page(render(content)).text


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
    assert [tick.text for tick in drawn.x_ticks] == ['1', '2', '3', '4']
    assert line.markers[0][2] == 'a, epoch 1: 1'


@pytest.mark.parametrize(
    ('low', 'high', 'log', 'texts'),
    [
        (0, 1, False, ['0', '0.2', '0.4', '0.6', '0.8', '1']),
        (0, 12, False, ['0', '2', '4', '6', '8', '10', '12']),
        (9e-6, 2e-2, True, ['1e-5', '0.0001', '0.001', '0.01']),
        (0.04, 2, True, ['0.05', '0.1', '0.2', '0.5', '1', '2']),
        (0.51, 0.55, True, ['0.51', '0.52', '0.53', '0.54', '0.55']),
        (1e-105, 2, True, ['1e-105', '1e-84', '1e-63', '1e-42', '1e-21', '1']),
        (-1e9, 3e9, False, ['-1e9', '0', '1e9', '2e9', '3e9']),
    ],
)  # fmt: skip
def test_ticks_are_round(low, high, log, texts):
    ticks = Axis(low, high, 0, 400, log).ticks()
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
    text = render(content)
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
    text = Page(render(content)).text
    assert 'The expected calibration error (ECE) is 2.4 %' in text
    assert (
        'Over all 123,476 images, the mean confidence is 90.0 % and the accuracy is > 99.9 %.'
        in text
    )


@pytest.mark.parametrize(
    ('value', 'text'),
    [(0, '0.0 %'), (0.01, '< 0.1 %'), (12.34, '12.3 %'), (99.99, '> 99.9 %'), (100, '100.0 %'), (np.nan, '\N{EN DASH}')],
)  # fmt: skip
def test_percentages_round_to_neither_end(value, text):
    assert format_percent(value) == text


def test_cut_has_one_line():
    assert cut('a' * 50, 10) == 'a' * 9 + '…'
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


def test_missing_package_is_named():
    code = (
        'import sys; sys.modules["jinja2"] = None\n'
        'from wrn.report.page import render_page\n'
        'from wrn_base.errors import WrnError\n'
        'try: render_page(None)\n'
        'except WrnError as error: print(error)\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "the page of a report: jinja2 is not installed; pip install 'mmpretrain-wrn[report]'\n"
    )
