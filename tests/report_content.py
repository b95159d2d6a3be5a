"""Contents of reports, with images that are drawn."""

import io
from collections import defaultdict

import numpy as np
from PIL import Image, ImageDraw

from wrn.report.content import (
    Content,
    Embedding,
    Gallery,
    NearGroup,
    NearImage,
    ShownImage,
)
from wrn.training.evaluation import CONFUSION, Report
from wrn.training.evaluation.calibration import Bin
from wrn.training.evaluation.line_chart import Chart, Line

HOSTILE = (
    '<script>window.hacked=1</script>', '</script><img src=x onerror=window.hacked=1>',
    '"\'><svg onload=window.hacked=1>', '{{ 7*7 }}{% raw %}', 'x' * 300, 'עברית (مرحبا)',
    '\N{GRINNING FACE}\N{ZERO WIDTH JOINER}\N{ROCKET}', 'a\nb\t\x00\x1b[31m', '\udce9\ud800.png', '\u202egnp.exe',
)  # fmt: skip
"""Names that a page must show and not obey."""


def draw_jpeg(rng, size=48, hot=False):
    """Draw a disk on a shaded ground, as a JPEG; with a bright spot over it if ``hot``."""
    ground = np.linspace(60, 200, size)[:, None, None] + rng.normal(0, 12, (size, size, 3))
    image = Image.fromarray(ground.clip(0, 255).astype('uint8'))
    x, y, r = (*rng.integers(10, size - 10, 2).tolist(), int(rng.integers(5, 12)))
    color = tuple(rng.integers(0, 255, 3).tolist())
    ImageDraw.Draw(image).ellipse((x - r, y - r, x + r, y + r), fill=color)
    if hot:
        ImageDraw.Draw(image).ellipse((x - 3, y - 3, x + 3, y + 3), fill=(255, 40, 0))
    file = io.BytesIO()
    image.save(file, 'jpeg', quality=70)
    return file.getvalue()


def make_content(names, count=200, wrong=0.1, shown=None, seed=0):
    """Make what the page of a single-label test shows.

    Args:
        names: The class names.
        count: The number of tested images.
        wrong: The share of wrong predictions.
        shown: The number of images in the embedding and the cells. Defaults to None: all.
        seed: The seed of labels, predictions and images.
    """
    rng = np.random.default_rng(seed)
    classes = len(names)
    labels = rng.integers(classes, size=count)
    mistaken = (rng.random(count) < wrong) & (classes > 1)
    predicted = np.where(mistaken, (labels + rng.integers(1, 4, count)) % classes, labels)
    confusion = np.zeros((classes, classes), int)
    np.add.at(confusion, (labels, predicted), 1)
    metrics = {
        CONFUSION: confusion,
        'accuracy/top5': 99.2,
        'calibration/ece': 2.44,
        'calibration/nll': 0.2,
    }
    shown = count if shown is None else shown
    images, cells = {}, defaultdict(list)
    for key in range(shown):
        right = labels[key] == predicted[key]
        best = float(rng.beta(9, 1) if right else rng.beta(4, 2)) * 0.6 + 0.4
        others = [
            (int(i), (1 - best) / 2) for i in rng.permutation(classes)[:3] if i != predicted[key]
        ]
        images[key] = ShownImage(
            path=f'test/{names[labels[key]]}/{key:05}.png',
            label=int(labels[key]),
            predictions=[(int(predicted[key]), best), *others[:2]],
            loss=-np.log(best if right else (1 - best) / 2),
            thumbnail=draw_jpeg(rng),
            heat_map=draw_jpeg(rng, hot=True),
        )
        cell = cells[int(labels[key]), int(predicted[key])]
        if len(cell) < 8:
            cell.append(key)
    mistakes = sorted((k for k in images if mistaken[k]), key=lambda k: -images[k].loss)
    angle = 2 * np.pi * labels[:shown] / classes
    points = 8 * np.stack([np.cos(angle), np.sin(angle)], 1) + rng.normal(size=(shown, 2))
    pairs = list(images.values())[:6]
    return Content(
        title='wide-resnet16-2_1xb64_digits',
        facts=[
            ('Model', 'wide-resnet16-2_1xb64_digits'),
            ('Weights', 'trained on the digits of scikit-learn; sha256 ' + '1bb60273' * 8),
            ('Data', f'/data/digits: {count:,} images of {classes:,} classes'),
            ('Date', '2026-03-01 12:00 UTC'),
            ('Command', 'wrn test wide-resnet16-2_1xb64_digits --data /data/digits --report report'),
            ('Versions', 'wrn 1.0, torch 2.14.1, mmpretrain 1.2.0'),
        ],
        report=Report(metrics, names),
        bins=make_bins(images.values()),
        charts=make_charts(),
        images=images,
        galleries=[
            Gallery('Worst mistakes', f'The highest loss: {len(mistakes[:8])} of {mistaken.sum()} wrong images.', mistakes[:8]),
            Gallery('Least certain', 'The lowest probability of the predicted class.', list(images)[:4]),
            Gallery('Right', 'A random sample.', [k for k in images if not mistaken[k]][:4]),
        ],
        cells=cells,
        embedding=Embedding(list(images), points, f't-SNE of the pooled features of {shown:,} of {count:,} images.'),
        near=[
            NearGroup([
                NearImage(a.path, splits[0], a.label, a.thumbnail),
                NearImage(b.path, splits[1], b.label, b.thumbnail),
            ])
            for splits, a, b in zip((('val', 'test'), ('test', 'test')), pairs[::2], pairs[1::2], strict=False)
        ],
        near_note='Perceptual hashes of all images; pairs that differ in at most 4 of 64 bits.',
        heat_note='GradCAM of the last stage, for the predicted class.',
        left_out=['The classes of the training set are not compared: its folder was not found.'],
    )  # fmt: skip


def make_bins(images):
    """Group images by confidence into the bins of a calibration diagram."""
    pairs = [(i.predictions[0][1], i.predictions[0][0] == i.label) for i in images if i.predictions]
    confidence, correct = np.array(pairs, float).reshape(-1, 2).T
    index = np.ceil(15 * confidence) - 1
    return [
        Bin(
            m / 15,
            (m + 1) / 15,
            int((index == m).sum()),
            float(confidence[index == m].mean()) if (index == m).any() else 0.0,
            float(correct[index == m].mean()) if (index == m).any() else 0.0,
        )
        for m in range(15)
    ]


def make_charts(epochs=12):
    """Make the curves of a training run."""
    x = list(range(1, epochs + 1))
    loss = [2.3 * 0.7**i for i in x]
    return [
        Chart('loss', 'epoch', [Line('training', x, loss)], log_y=True, chosen=9, chosen_label='epoch 9, tested'),
        Chart('accuracy (%)', 'epoch', [
            Line('training', x, [100 - 60 * 0.6**i for i in x]),
            Line('validation', x, [96 - 60 * 0.7**i for i in x]),
        ], chosen=9, chosen_label='epoch 9, tested'),
        Chart('learning rate', 'epoch', [Line('learning rate', x, [0.1 * 0.8**i for i in x])], log_y=True),
    ]  # fmt: skip
