"""Names that start alike, or that are blank, can be read wherever they are shown."""

import json
import re
from html import unescape

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.axes import Axes
from report_content import make_content
from rich.cells import cell_len

from wrn.cli.tables import print_report
from wrn.jobs.class_sheet import draw_sheet
from wrn.report.page import render_page
from wrn.training.evaluation import CONFUSION, Report
from wrn.training.evaluation.fonts import fonts_for
from wrn.training.evaluation.plot_text import shorten
from wrn_base.errors import some
from wrn_base.names import cut_middle, visible

ALIKE = [f'specimen_from_the_northern_collection_2019_catalogue_number_{i:03}' for i in range(16)]


@pytest.mark.parametrize(
    ('name', 'longest', 'measure', 'expected'),
    [
        ('abcdefghi', 9, len, 'abcdefghi'),
        ('abcdefghij', 9, len, 'abcde…hij'),
        ('abcd fghij', 9, len, 'abcd…hij'),  # no space before the ellipsis
        ('猫' * 10, 9, len, '猫' * 5 + '…' + '猫' * 3),
        ('猫' * 10, 9, cell_len, '猫猫猫…猫'),  # a wide character takes two columns
    ],
)
def test_long_names_lose_their_middle(name, longest, measure, expected):
    assert cut_middle(name, longest, measure) == expected


def test_classes_that_start_alike_differ_on_the_page():
    html = render_page(make_content(ALIKE, 300, 0.3))
    matrix = html[html.index('id="matrix"') : html.index('id="cell"')]
    heads = re.findall(r'<th scope="(col|row)".*?<bdi.*?>(.*?)</bdi>', matrix)
    assert len({*heads}) == 2 * len(ALIKE)
    assert {*re.findall(r'<span title="(.*?)">', matrix)} == {*ALIKE}
    pairs = re.findall(r'title="true (\S+), predicted (\S+):', matrix)
    assert {*sum(pairs, ())} == {*ALIKE}
    rows = re.findall(r'aria-label="show images: true (\S+), predicted (\S+):', html)
    assert {*sum(rows, ())} <= {*ALIKE}


@pytest.fixture
def draw_titles(monkeypatch):
    """Draw a sheet of classes, and return the titles above their maps."""

    def draw(names):
        titles = []
        monkeypatch.setattr(Axes, 'set_title', lambda _, title, **__: titles.append(title))
        pixels = np.zeros((8, 8, 3), np.uint8)
        one = dict(pred_score=0.5, overlay=pixels, is_blank=False)
        classes = [dict(one, pred_label=i, pred_class=name) for i, name in enumerate(names)]
        draw_sheet(pixels, classes)
        return [title.partition('\n')[0] for title in titles[1:]]

    return draw


def test_classes_that_start_alike_differ_on_a_sheet(draw_titles):
    titles = draw_titles(ALIKE)
    assert len({*titles}) == len(ALIKE)
    assert titles[3].endswith('_003')
    assert max(map(len, titles)) <= 28


def test_names_that_no_font_has_are_numbers_on_a_sheet(draw_titles, monkeypatch):
    monkeypatch.setattr(font_manager.fontManager, 'ttflist', [])
    with fonts_for(['dog', '猫'], 'sheet.png'):
        assert draw_titles(['dog', '猫']) == ['dog', '#1']


BLANK = {' ': "' '", '': "''", ' cat': "' cat'", 'cat\u3000': r"'cat\u3000'", 'a cat': 'a cat'}


def test_blank_names_and_outer_spaces_are_quoted(capsys, draw_titles):
    quoted = [*BLANK.values()]
    assert [visible(name) for name in BLANK] == quoted
    assert shorten([*BLANK])[0] == quoted
    assert draw_titles([*BLANK]) == quoted
    assert some(['cat', ' ']) == "' ', cat"
    content = make_content([*BLANK], 60)
    html = render_page(content)
    shown = re.findall(r'<th scope="row"><bdi>(.*?)</bdi>', html[html.index('class-table') :])
    assert [*map(unescape, shown)] == quoted
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', html)[1]
    assert json.loads(data)['classes'] == quoted
    print_report(Report({CONFUSION: content.report.confusion}, [*BLANK]))
    printed = capsys.readouterr().out
    assert all(name in printed for name in quoted)
