"""Numbers are written by the same rules in the terminal, on pages and in plots."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from report_content import make_content

from wrn.cli.tables import print_report
from wrn.jobs.class_sheet import draw_sheet
from wrn.report.number_text import format_loss, make_sentence
from wrn.report.page import render_page
from wrn.training.evaluation import CONFUSION, Proportion, Report
from wrn.training.evaluation.calibration import Bin, Calibration
from wrn.training.evaluation.figures import draw_confusion
from wrn.training.evaluation.image_results import summarize
from wrn.training.evaluation.reliability import draw_reliability
from wrn_base.percent import format_percent
from wrn_base.progress_line import format_metric


@pytest.mark.parametrize(
    ('value', 'decimals', 'text'),
    [
        (0, 1, '0.0 %'), (-0.0, 1, '0.0 %'), (0.01, 1, '< 0.1 %'), (12.34, 1, '12.3 %'), (99.99, 1, '> 99.9 %'),
        (100, 1, '100.0 %'), (0.3, 0, '< 1 %'), (30.2, 0, '30 %'), (99.999, 2, '> 99.99 %'), (np.nan, 1, '\N{EN DASH}'),
    ],
)  # fmt: skip
def test_percentages_round_to_neither_end(value, decimals, text):
    assert format_percent(value, decimals) == text


@pytest.mark.parametrize(
    ('value', 'text'),
    [(0.0, '0.00'), (-0.0, '0.00'), (0.0004, '< 0.01'), (0.007, '0.01'), (2.345, '2.35'), (np.inf, 'infinite'), (np.nan, 'unknown')],
)  # fmt: skip
def test_losses_round_to_no_zero(value, text):
    assert format_loss(value) == text


def test_notes_are_sentences():
    texts = ' the worst', 'Both.', 't-SNE of all', 'why?', ''
    expected = ['The worst.', 'Both.', 't-SNE of all.', 'why?', '']
    assert [*map(make_sentence, texts)] == expected
    content = make_content(['ant', 'bee'], 20)
    content.heat_note, content.near_note = 'a heat map', 'many hashes'
    content.galleries = [replace(g, note='the worst: 3 of 9') for g in content.galleries]
    content.embedding = replace(content.embedding, note='by t-SNE')
    page = render_page(content)
    for note in ('A heat map', 'Many hashes', 'The worst: 3 of 9', 'By t-SNE'):
        assert re.search(rf'{note}\.\s', page.replace('<', ' '))


def test_the_loss_of_a_certain_prediction_has_no_sign():
    scores, labels = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    assert not np.signbit(summarize(scores, labels)[1].numpy()).any()
    metric = Calibration()
    metric.process(None, [dict(pred_score=scores[0], gt_label=labels)])
    assert not np.signbit(metric.compute_metrics(metric.results)['nll'])


@pytest.mark.parametrize(('ece', 'expected'), [(30.23, '30 %'), (0.2, '< 1 %')])
def test_few_images_have_an_ece_without_decimals_everywhere(capsys, ece, expected):
    content = make_content(['ant', 'bee'], 52)
    content.report.metrics['calibration/ece'] = ece
    page = render_page(content).replace('&lt;', '<')
    assert f'<h2>ECE</h2><p class="value">{expected}</p>' in page
    assert f'error (ECE) is {expected}:' in page
    print_report(content.report)
    assert re.search(rf'calibration/ece +{expected}', capsys.readouterr().out)
    figure = draw_reliability([Bin(0, 1, 52, 0.75 - ece / 100, 0.75)])
    assert figure._suptitle.get_text().endswith(f'error {expected}')


def test_no_share_is_rounded_to_all_or_nothing(capsys, monkeypatch):
    assert str(Proportion(99_999, 100_000)).startswith('> 99.99 %')
    assert format_metric('accuracy/top1', 99.97, 100) == '> 99.9 %'
    confusion = np.array([[20_000, 1], [0, 20_000]])
    print_report(Report({CONFUSION: confusion}, ['ant', 'bee']))
    assert re.search(r'\n ant +100.00 +> 99.99 +> 99.99 +20001', capsys.readouterr().out)
    texts = [text.get_text() for text in draw_confusion(confusion, ['ant', 'bee']).axes[0].texts]
    assert texts == ['20000\n> 99.9 %', '1\n< 0.1 %', '20000\n100 %']
    titles = []
    monkeypatch.setattr(Axes, 'set_title', lambda _, title, **__: titles.append(title))
    pixels = np.zeros((8, 8, 3), np.uint8)
    classes = [
        dict(pred_label=i, pred_score=score, overlay=pixels, is_blank=False)
        for i, score in enumerate((0.99984, 2e-5))
    ]
    draw_sheet(pixels, classes)
    assert titles[1:] == ['class 0\n> 99.9 %', 'class 1\n< 0.1 %']
