"""The line of a step and of an epoch, and the digits of durations and metrics."""

import pytest

from wrn_base.progress_line import (
    about,
    clock,
    epoch_parts,
    fit,
    format_metric,
    is_percent,
    step_parts,
)
from wrn_base.run_progress import Epoch, Step

STEP = Step('train', 10, 230, 0.1, 3, 20, loss=0.41234, images_per_second=1234.5)
EPOCH = Epoch(
    3, 20, loss=0.41234, rate=0.05, metric='accuracy', value=98.028, best=98.3098, images=355
)


def test_the_line_of_a_step_is_shortened_by_leaving_out_parts():
    parts = step_parts(STEP, 4325)
    whole = 'epoch  3/20  step  10/230  loss 0.4123  1,234 images/s  1:12:05 left'
    assert fit(parts, None) == fit(parts, len(whole)) == whole
    assert fit(parts, 60) == 'epoch  3/20  step  10/230  loss 0.4123  1:12:05 left'
    assert fit(parts, 40) == 'epoch  3/20  loss 0.4123  1:12:05 left'
    assert fit(parts, 30) == 'epoch  3/20  1:12:05 left'
    assert fit(parts, 12) == 'epoch  3/20'
    assert fit(parts, 5) == 'epoch'
    assert fit(parts, 0) == ''


@pytest.mark.parametrize('width', range(100))
def test_no_line_is_wider_than_the_terminal(width):
    assert len(fit(step_parts(STEP, 1), width)) <= width
    assert len(fit(epoch_parts(EPOCH, 1), width)) <= width
    assert len(fit([(1, '猫' * 30)], width)) * 2 <= width + 1  # two columns each


def test_steps_without_epochs_in_validation_and_before_anything_is_known():
    assert fit(step_parts(Step('train', 7, 1000, 0), None), None) == 'step    7/1000'
    step = Step('val', 2, 6, 0.5, 3, 20, images_per_second=7.25)
    assert fit(step_parts(step, None), None) == 'epoch  3/20  val step 2/6  7.2 images/s'


def test_the_line_of_an_epoch():
    line = 'epoch  3/20  loss 0.4123  accuracy 98.0 %  best 98.3 %  lr 5.000e-02'
    assert fit(epoch_parts(EPOCH), None) == line
    assert fit(epoch_parts(EPOCH, 61), None) == f'{line}  1:01 left'
    assert fit(epoch_parts(EPOCH), 40) == 'epoch  3/20  accuracy 98.0 %'
    assert fit(epoch_parts(Epoch(400, 1000, 'step')), None) == 'step  400/1000'


def test_the_lines_of_epochs_are_aligned():
    lines = [
        fit(epoch_parts(Epoch(i + 1, 3, loss=loss, rate=rate), 5 - i), None)
        for i, (loss, rate) in enumerate([(1.26, 1e-4), (1.30512, 9.932e-05), (0.08, 0.0125)])
    ]
    assert lines == [
        'epoch 1/3  loss 1.2600  lr 1.000e-04  0:05 left',
        'epoch 2/3  loss 1.3051  lr 9.932e-05  0:04 left',
        'epoch 3/3  loss 0.0800  lr 1.250e-02',
    ]
    assert fit(epoch_parts(Epoch(1, 2, loss=3.2e-5)), None) == 'epoch 1/2  loss 3.2e-05'


@pytest.mark.parametrize(
    ('images', 'expected'),
    [(0, '97.35 %'), (9, '97.3 %'), (2999, '97.3 %'), (3000, '97.35 %')],
)  # fmt: skip
def test_a_metric_has_the_digits_that_its_images_deserve(images, expected):
    assert format_metric('accuracy', 97.346, images) == expected


def test_other_metrics_are_numbers():
    assert format_metric('nll', 0.0289812, 10) == '0.02898'
    assert is_percent('multi-label/mAP')
    assert not is_percent('calibration/ece')


def test_durations():
    assert [clock(s) for s in (-1, 0, 59.6, 61, 3600)] == [
        '0:00',
        '0:00',
        '1:00',
        '1:01',
        '1:00:00',
    ]
    durations = {
        0.2: '1 s', 99: '99 s', 101: '2 min', 5400: '90 min', 6600: '1 h 50 min', 7190: '2 h',
        36_000: '10 h', 90_000: '25 h', 1e6: '12 days',
    }  # fmt: skip
    assert {s: about(s) for s in durations} == {s: f'about {t}' for s, t in durations.items()}
