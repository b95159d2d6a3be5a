"""The plots of reports: all text is inside, nothing overlaps, and every number can be read."""

import itertools
import re
import unicodedata

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from wrn.head_only.logistic_regression import STRENGTHS, Trial
from wrn.head_only.trial_curves import make_trial_curves
from wrn.training.evaluation.calibration import Bin
from wrn.training.evaluation.curve_charts import make_curves
from wrn.training.evaluation.curve_plots import draw_curves
from wrn.training.evaluation.figures import draw_confusion
from wrn.training.evaluation.fonts import fonts_for
from wrn.training.evaluation.plot_text import contrast, shorten, text_color
from wrn.training.evaluation.reliability import draw_reliability

ODD = [
    '猫', '<script>alert(1)</script>', '$x_1^2$ \\frac{', '_a_$b', 'x' * 300, 'x' * 299 + 'y', 'שלום עולם',
    'مرحبا بالعالم', '😀 emoji', 'a\u202egnp.exe', 'line\nbreak', 'nul\x00', 'é' * 300, '猫' * 300, '', ' ', '%', 'W' * 300,
]  # fmt: skip


def find_faults(figure):
    """Return the text outside of a figure, and the labels of ticks that overlap."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer, size = canvas.get_renderer(), figure.bbox
    drawn = [
        text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()
    ]
    boxes = {}
    for axes in figure.axes:  # ticks outside of the limits are not drawn
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            labels = [tick.label1 for tick in axis.get_major_ticks() if tick.label1.get_visible()]
            hidden = {t.label1 for t in axis.get_major_ticks() if not low <= t.get_loc() <= high}
            drawn = [text for text in drawn if text not in hidden]
            boxes[axis] = [label for label in labels if label in drawn]
            minor = axis.get_minorticklabels()
            assert not [label for label in minor if label.get_visible() and label.get_text()]
    faults = []
    for text in drawn:
        box = text.get_window_extent(renderer)
        if min(box.x0, box.y0, size.width - box.x1, size.height - box.y1) < 0:
            faults.append(('outside', text.get_text()))
    for labels in boxes.values():
        extents = [label.get_window_extent(renderer) for label in labels]
        for (i, a), (j, b) in itertools.combinations(enumerate(extents), 2):
            if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1:
                faults.append(('overlap', labels[i].get_text(), labels[j].get_text()))
    titles = [text for text in (figure._suptitle, figure._supxlabel) if text]
    extents = [title.get_window_extent(renderer) for title in titles]
    tight = [axes.get_tightbbox(renderer) for axes in figure.axes]
    faults += [
        ('covers', title.get_text())
        for title, a in zip(titles, extents, strict=True)
        for b in tight
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]
    return faults


def test_faults_are_found():
    """Else the tests below could not fail."""
    figure = Figure(figsize=(3, 3), dpi=100)
    axes = figure.subplots()
    axes.set_xticks([0.4, 0.5, 1], ['a long name', 'another one', 'c'])
    axes.set_yticks([])
    figure.text(0.9, 0.5, 'too far right')
    figure.suptitle('in the plot', y=0.5)
    assert find_faults(figure) == [
        ('outside', 'too far right'),
        ('overlap', 'a long name', 'another one'),
        ('covers', 'in the plot'),
    ]


def make_confusion(count, seed=0):
    rng = np.random.default_rng(seed)
    confusion = np.zeros((count, count), int)
    for i in range(count):
        wrong = rng.integers(0, count, 3)
        confusion[i, i] += rng.integers(5, 60)
        np.add.at(confusion[i], wrong, rng.integers(0, 9, 3))
    if count > 3:
        confusion[2] = 0
    return confusion


@pytest.mark.parametrize('odd', [False, True], ids=['plain', 'odd'])
@pytest.mark.parametrize('count', [1, 3, 10, 40, 1000])
def test_confusion_matrices(count, odd):
    names = [ODD[i % len(ODD)] if odd else f'class_{i}' for i in range(count)]
    confusion = make_confusion(count)
    with fonts_for(names, 'confusion.png'):
        figure = draw_confusion(confusion, names)
        assert find_faults(figure) == []
    title = figure._suptitle.get_text()
    assert f'{confusion.trace():,} of {confusion.sum():,}' in title
    axes = figure.axes[0]
    image = axes.images[0]
    colors = image.to_rgba(image.get_array())
    written = {(y, x): text for text in axes.texts for x, y in [text.get_position()]}
    total = 0
    for place, text in written.items():
        assert contrast(colors[place], to_rgb(text.get_color())) >= 4.5
        assert text.get_fontsize() >= 5
        total += int(text.get_text().split()[0])
    assert total == confusion.sum()  # also where classes are summed up
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(set(labels)) == len(labels) == (count if count <= 40 else 31)


def test_the_text_of_a_cell_is_inside_of_it():
    """At the largest number of classes, and with counts of six digits."""
    figure = draw_confusion(make_confusion(40) * 10_000, [f'class {i}' for i in range(40)])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes = figure.axes[0]
    side = axes.get_window_extent().width / 40
    assert max(t.get_window_extent(canvas.get_renderer()).width for t in axes.texts) < side


def test_the_figure_shows_the_confusion_matrix():
    confusion = np.eye(10, dtype=int) * 9
    confusion[0, 9], confusion[4, 4] = 1, 0
    axes = draw_confusion(confusion, [f'class $_{i}' for i in range(10)]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f'class $_{i}' for i in range(10)
    ]
    shares = axes.images[0].get_array()
    assert (shares[0, 0], shares[0, 9], shares[9, 9]) == (90, 10, 100)
    assert shares.mask[4].all()  # without images, a share is unknown
    assert shares.mask.sum() == 10
    numbers = {text.get_position(): text.get_text() for text in axes.texts}
    right = {(i, i): '9\n100 %' for i in range(10) if i != 4}
    assert numbers == right | {(9, 0): '1\n10.0 %', (0, 0): '9\n90.0 %'}


def test_of_many_classes_those_that_are_confused_are_shown():
    confusion = np.eye(200, dtype=int) * 50
    confusion[150, 7], confusion[7, 30], confusion[199, 198] = 20, 10, 5
    figure = draw_confusion(confusion, [f'class {i}' for i in range(200)])
    axes = figure.axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert {'class 7', 'class 30', 'class 150', 'class 198', 'class 199'} < {*labels}
    assert labels[-1] == '170 others'
    assert labels[:-1] == sorted(labels[:-1], key=lambda name: int(name.split()[1]))
    numbers = {text.get_position()[::-1]: text.get_text() for text in axes.texts}
    assert numbers[labels.index('class 150'), labels.index('class 7')] == '20'
    assert numbers[30, 30] == str(170 * 50)
    assert 'The 30 of 200 classes that are confused most often' in figure._supxlabel.get_text()


def test_names_are_short_distinct_and_harmless():
    names, note = shorten(ODD)
    assert len({*names}) == len(names)
    for name in names:
        assert name.isprintable()
        width = sum(2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in name)
        assert width <= 24
        assert not {unicodedata.bidirectional(c) for c in name} & {'RLO', 'LRO', 'RLI', 'LRI'}
    assert names[0] == '#0' or note == ''  # if a font for CJK is installed
    same, _ = shorten(['cat', 'cat', 'dog'])
    assert len({*same}) == 3
    assert shorten(['x' * 40], columns=60)[0] == ['x' * 40]


@pytest.mark.parametrize('level', np.linspace(0, 1, 21))
def test_text_can_be_read_on_every_color(level):
    for color in ((level, level, level), (level, 0, 1 - level), (0.2, level, 0.1)):
        text = [float(text_color(color) == 'white')] * 3
        assert contrast(color, text) >= 4.5
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)


def make_log(epochs, steps=23, metric='accuracy/top1', **more):
    lines = []
    for epoch in range(1, epochs + 1):
        for i in range(10, steps, 10):
            step = (epoch - 1) * steps + i
            rate = 0.05 * (1 + np.cos(np.pi * step / steps / epochs))
            lines.append(dict(loss=2 / step, lr=rate, epoch=epoch, iter=step, step=step))
        if metric:
            lines.append({metric: 90 - 60 / epoch - (epoch > 5), 'step': epoch, **more})
    return lines


RUNS = {
    'one epoch': {'pets': make_log(1)},
    'a long name': {'x' * 300 + '$_a$': make_log(20)},
    'no font': {'猫': make_log(3)},
    'no validation': {'pets': make_log(9, metric=None)},
    'several labels': {'pets': make_log(9, metric='multi-label/f1-score')},
    'a loss of validation': {'pets': make_log(300, **{'calibration/nll': 0.3})},
    'a constant rate': {
        'pets': [line | dict(lr=0.1) if 'lr' in line else line for line in make_log(4)]
    },
    'a rate of 0': {
        'pets': [line | dict(lr=0.0) if 'lr' in line else line for line in make_log(4)]
    },
    'not finite': {
        'pets': [line | dict(loss=float('nan')) if 'loss' in line else line for line in make_log(4)]
    },
    'three': {f'run_{i}': make_log(5 + i) for i in range(3)},
    'thirty': {f'work_dirs/{"y" * 200}{i}': make_log(5) for i in range(30)},
}


@pytest.mark.parametrize('runs', RUNS.values(), ids=RUNS)
def test_curves(runs):
    figure = draw_curves([make_curves(name, lines) for name, lines in runs.items()])
    assert find_faults(figure) == []
    for axes in figure.axes:
        assert axes.lines
        assert all(tick == round(tick) for tick in axes.get_xticks())
        assert axes.get_xlabel() == 'epoch'
        assert any(len(line.get_xdata()) for line in axes.lines)
    assert len(figure.axes) == (2 if runs is RUNS['no validation'] else 3)
    assert 'Training of' in figure._suptitle.get_text()


@pytest.mark.parametrize(
    ('tested', 'label'), [(None, 'best: epoch 5, 78.0 %'), (7, 'tested: epoch 7, 80.4 %')]
)
def test_the_chosen_epoch_is_marked(tested, label):
    lines = make_log(9)
    figure = draw_curves(
        [make_curves('pets', lines if tested else lines[:15], tested)]
    )  # up to epoch 5
    accuracy = figure.axes[1]
    assert label in accuracy.get_legend_handles_labels()[1]
    epoch = tested or 5
    assert all(
        [epoch, epoch] in [[*line.get_xdata()] for line in axes.lines] for axes in figure.axes
    )


def test_the_best_of_several_equal_epochs_is_the_last():
    lines = [line | {'accuracy/top1': 50.0} if 'loss' not in line else line for line in make_log(4)]
    labels = draw_curves([make_curves('pets', lines)]).axes[1].get_legend_handles_labels()[1]
    assert 'best: epoch 4, 50.0 %' in labels


@pytest.mark.parametrize('number', [1, 2, len(STRENGTHS)])
def test_trials_of_a_head(number):
    trials = [Trial(s, s**-0.5 / 1000, 100.0, 0.3 + s, 98 - s, True) for s in STRENGTHS[:number]]
    figure = draw_curves([make_trial_curves('pets', trials, trials[-1])])
    assert find_faults(figure) == []
    labels = figure.axes[1].get_legend_handles_labels()[1]
    assert f'chosen: {trials[-1].strength:.2g}, {trials[-1].val_accuracy:.1f} %' in labels
    assert 'Training of the head of pets' in figure._suptitle.get_text()


@pytest.mark.parametrize('accuracy', [0.0, 0.4, 50.0, 99.6, 100.0])
def test_no_accuracy_is_above_100_percent(accuracy):
    lines = [
        line | {'accuracy/top1': accuracy} if 'loss' not in line else line for line in make_log(4)
    ]
    trials = [Trial(s, 0.1, accuracy, 0.3, accuracy, True) for s in STRENGTHS]
    runs = make_curves('pets', lines), make_trial_curves('pets', trials, trials[0])
    for figure in (draw_curves([run]) for run in runs):
        axes = figure.axes[1]
        low, high = axes.get_ylim()
        assert low < accuracy < high
        assert all(0 <= tick <= 100 for tick in axes.get_yticks() if low <= tick <= high)


COUNTS = {
    'all': np.arange(15) * 9,
    'one image': np.eye(15, dtype=int)[14],
    'none': np.zeros(15, int),
}


@pytest.mark.parametrize('name', COUNTS)
def test_reliability(name):
    counts, edges = COUNTS[name], np.linspace(0, 1, 16)
    confidence = (edges[1:] + edges[:-1]) / 2
    rows = zip(edges, edges[1:], counts, confidence, confidence - 0.03, strict=False)
    figure = draw_reliability([Bin(*row) for row in rows])
    assert find_faults(figure) == []
    bars = figure.axes[0].patches
    assert [bar.get_height() for bar in bars] == pytest.approx(
        100 * (confidence - 0.03)[counts > 0]
    )
    title = figure._suptitle.get_text()
    assert (re.search(r'calibration error 3(\.0)? %$', title) is not None) == bool(counts.sum())
