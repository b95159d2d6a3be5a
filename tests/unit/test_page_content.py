"""The page of a report: its figures, hostile names, extreme tests, and its size."""

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

from wrn.report.content import Content, Embedding, NearGroup, NearImage
from wrn.report.page import render_page
from wrn.training.evaluation import CONFUSION, Report
from wrn.training.evaluation.line_chart import Chart, Line

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


@pytest.mark.parametrize(
    ('names', 'upright'),
    [(DIGITS, False), ([*DIGITS, 'elephant'], True), (['elephant', 'mouse'], False)],
)
def test_heads_stand_upright_only_where_they_need_to(names, upright):
    assert ('class="matrix upright"' in render(make_content(names))) == upright


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
    for text in ('ant 5 50.0 40.0 44.4', 'a precision of 0.0 for a class that was never predicted'):
        assert text in page.text
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
        both = [NearImage(texts[-1], 'train', 0), NearImage(title, 'test', 1)]
        content.near = [NearGroup(both)]
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
    group = NearGroup([NearImage(names[i], 'train' if i else 'test', i) for i in range(8)], 99)
    content.near = [group] * 50  # as near_images lists
    content.charts = make_charts(100_000)
    html = render(content)
    print(f'{len(html):,} bytes for 1,000 names of 300 characters')
    assert len(html) < 1.5 * MIB


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
