"""The files of a report, and the images that are chosen for it."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import binomtest
from torch import nn

import wrn
from wrn.cli.tables import print_report
from wrn.report.content import Subject
from wrn.report.embedding import embed
from wrn.report.shown_images import find_cells, find_least_certain, find_worst, sample_correct
from wrn.report.thumbnails import draw_sample, encode, resize
from wrn.report.write_report import write_report
from wrn.training.evaluation import ACCURACY, BALANCED, CONFUSION, Report
from wrn.training.evaluation.calibration import group_by_confidence
from wrn.training.evaluation.image_results import ImageRecorder, make_results, sample_evenly
from wrn.training.hooks.record_images import RecordedTest
from wrn_base.errors import WrnError

NETWORK = 'wide-resnet16-2_1xb64_digits'


class Samples:
    """A dataset of images whose gray value is their position."""

    def __init__(self, number, size=8):
        self.number, self.size = number, size

    def __len__(self):
        return self.number

    def __getitem__(self, i):
        return dict(inputs=torch.full((3, self.size, self.size), i % 256, dtype=torch.uint8))

    def get_data_info(self, i):
        return dict(img_path=f'folder/{i}.png')


def make_report(count):
    confusion = np.eye(count, dtype=int) * 9
    confusion[0, -1] = 1
    metrics = {CONFUSION: torch.from_numpy(confusion), ACCURACY: 90.0, 'list': [1.0]}
    return Report(metrics, [f'class $_{i}' for i in range(count)])


def make_random_results(number, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(number, classes, generator=generator).mul(2).softmax(1)
    labels = torch.randint(classes, (number,), generator=generator)
    features = torch.randn(number, 16, generator=generator).numpy()
    return scores, labels, make_results(scores, labels, features)


def write(folder, report, images=None, **options):
    test = RecordedTest(
        Samples(0 if images is None else len(images.labels)), nn.Identity(), False, images
    )
    write_report(folder, report, test, Subject('small', [('model', 'small')]), **options)


@pytest.mark.parametrize('count', [2, 30, 1000])
def test_report_files_and_table(tmp_path, capsys, count):
    report = make_report(count)
    write(tmp_path, report)
    assert {p.name for p in tmp_path.iterdir()} == {
        'classes.csv', 'confusion.csv', 'confusion.png', 'report.json', 'index.html',
    }  # fmt: skip
    with (tmp_path / 'confusion.csv').open() as file:
        header, *rows = csv.reader(file)
    assert header[1:] == [row[0] for row in rows] == [c.name for c in report.classes]
    np.testing.assert_array_equal(np.array(rows)[:, 1:].astype(int), report.confusion)
    with (tmp_path / 'classes.csv').open() as file:
        first = next(csv.DictReader(file))
    assert first == dict(zip(first, ['class $_0', '100.0', '90.0', first['f1'], '10'], strict=True))
    content = json.loads((tmp_path / 'report.json').read_text())
    metrics = content['metrics']
    total = 9 * count + 1
    assert metrics['images'] == total == sum(number for *_, number in content['confusion'])
    low = binomtest(total - 1, total).proportion_ci(method='wilson').low
    assert metrics[f'{ACCURACY}-low'] == pytest.approx(100 * low)
    assert metrics.keys() == {
        *(f'{ACCURACY}{end}' for end in ('', '-low', '-high')),
        BALANCED,
        'images',
        *(f'single-label/{n}' for n in ('precision', 'recall', 'f1-score')),
    }
    assert content['version'] == 1
    assert len(content['classes']) == count
    with Image.open(tmp_path / 'confusion.png') as image:
        assert min(image.size) <= 2500
    print_report(report)
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith(' class $_')]) == min(count, 20)
    assert ('the 20 classes of 1000 with the lowest F1:' in lines) == (count == 1000)


def test_what_cannot_be_measured_of_a_class_is_missing_in_the_files(tmp_path):
    write(tmp_path, Report({CONFUSION: np.array([[9, 0, 0], [1, 0, 0], [0, 0, 0]])}, 'abc'))
    rows = json.loads((tmp_path / 'report.json').read_text())['classes']
    assert [row['precision'] for row in rows] == [90, None, None]
    assert [(row['recall'], row['f1']) for row in rows][1:] == [(0, 0), (None, None)]
    lines = (tmp_path / 'classes.csv').read_text().splitlines()
    assert lines[2:] == ['b,,0.0,0.0,1', 'c,,,,0']


def test_a_report_makes_its_folder_and_replaces_only_what_it_may(tmp_path):
    folder = tmp_path / 'new' / 'report'
    write(folder, make_report(2))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(WrnError, match=r'index.html: exists; add --overwrite to replace it'):
        write(folder, make_report(3))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / 'curves.png').write_bytes(b'of an earlier report')
    (folder / 'notes.txt').write_text('of the user')
    write(folder, make_report(3), overwrite=True)
    assert len((folder / 'classes.csv').read_text().splitlines()) == 4
    assert {path.name for path in folder.iterdir()} == {*before, 'notes.txt'}


NAMES = ['<script>window.hacked=1</script>', 'x' * 300, 'עברית', '\N{ROCKET}', '"\'&', 'a\nb']
CASES = {
    'none wrong': (20, 2, lambda labels, classes: labels),
    'all wrong': (20, 2, lambda labels, classes: (labels + 1) % classes),
    'one class': (12, 1, lambda labels, classes: labels),
    'one image': (1, 3, lambda labels, classes: labels),
    'six hostile names': (30, 6, lambda labels, classes: labels // 2),
    '1,000 classes': (1500, 1000, lambda labels, classes: (labels * 7) % classes),
}


@pytest.mark.parametrize(
    'case',
    [pytest.param(case, marks=[pytest.mark.ci] * case.startswith('1,000')) for case in CASES],
)
def test_extreme_tests_have_a_report(tmp_path, case):
    number, classes, predict = CASES[case]
    labels = torch.arange(number) % classes
    predicted = predict(labels, classes)
    scores = nn.functional.one_hot(predicted, classes) * 8.0
    features = torch.randn(number, 8, generator=torch.Generator().manual_seed(0)).numpy()
    results = make_results(scores.softmax(1), labels, features)
    confusion = torch.zeros(classes, classes, dtype=torch.long)
    confusion.index_put_((labels, predicted), torch.ones(number, dtype=torch.long), accumulate=True)
    names = [NAMES[i] if case.startswith('six') else f'class {i}' for i in range(classes)]
    network = wrn.get_model(NETWORK, head=dict(num_classes=classes, topk=(1,)))
    test = RecordedTest(Samples(number, 16), network, False, results)
    write_report(
        tmp_path,
        Report({CONFUSION: confusion}, names),
        test,
        Subject('small', [('model', 'small')]),
    )
    content = json.loads((tmp_path / 'report.json').read_text())
    correct = int((labels == predicted).sum())
    assert content['metrics'][ACCURACY] == pytest.approx(100 * correct / number)
    worst, _, right = content['galleries']
    assert len(worst['images']) == min(number - correct, 24)
    assert len(right['images']) == min(correct, 24)
    assert (content['embedding'] is None) == (number < 10)
    page = (tmp_path / 'index.html').read_text()
    assert '<script>window' not in page
    assert len(page) < 10 << 20
    assert not any('heat maps' in sentence for sentence in content['left_out'])


def test_the_losses_are_those_of_torch_and_the_bins_those_of_the_metric(tmp_path):
    scores, labels, results = make_random_results(200, 5)
    expected = nn.functional.nll_loss(scores.double().log(), labels, reduction='none')
    np.testing.assert_allclose(results.losses, expected, rtol=1e-12)
    np.testing.assert_array_equal(results.correct, (scores.argmax(1) == labels).numpy())
    bins = group_by_confidence(results.top_scores[:, 0], results.correct)
    assert sum(group.count for group in bins) == 200
    ece = sum(group.count * abs(group.accuracy - group.confidence) for group in bins) / 200
    confidence, correct = scores.double().max(1).values, scores.argmax(1) == labels
    by_hand = sum(
        abs((correct[chosen].double() - confidence[chosen]).sum().item())
        for i in range(15)
        if len(chosen := ((confidence > i / 15) & (confidence <= (i + 1) / 15)).nonzero())
    )
    assert ece == pytest.approx(by_hand / 200, abs=1e-12)


def test_the_recorder_keeps_what_a_test_gives():
    scores, labels, expected = make_random_results(50, 4)
    recorder = ImageRecorder(50)
    for start in range(0, 50, 7):
        part = range(start, min(start + 7, 50))
        recorder.batch_features = torch.arange(len(part) * 2.0).reshape(-1, 2) + start
        recorder.process(
            None,
            [dict(pred_score=scores[i], gt_label=labels[i : i + 1], sample_idx=i) for i in part],
        )
    assert recorder.evaluate(50) == {}
    found = recorder.recorded
    for name in ('indices', 'labels', 'top_labels', 'top_scores', 'losses', 'sampled'):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert found.features[8].tolist() == [9, 10]


def test_samples_without_positions_are_known_as_such():
    recorder = ImageRecorder(2)
    sample = dict(pred_score=torch.tensor([0.9, 0.1]), gt_label=torch.tensor([0]))
    recorder.process(None, [sample, dict(sample, sample_idx=0)])
    recorder.evaluate(2)
    assert recorder.recorded.indices.size == 0
    assert recorder.recorded.features.shape == (0, 0)


@pytest.mark.parametrize(
    ('number', 'most', 'expected'), [(0, 3, 0), (3, 3, 3), (4, 3, 2), (10, 3, 3)]
)
def test_samples_are_spread_evenly(number, most, expected):
    chosen = sample_evenly(number, most)
    assert len(chosen) == expected
    assert len({*np.diff(chosen)}) <= 1


def test_galleries_and_cells():
    _, _, results = make_random_results(400, 6)
    worst, certain = find_worst(results), find_least_certain(results)
    assert not results.correct[worst].any()
    others = np.setdiff1d(np.flatnonzero(~results.correct), worst)
    assert results.losses[worst].min() >= results.losses[others].max()
    rest = np.setdiff1d(np.arange(400), certain)
    assert results.top_scores[certain, 0].max() <= results.top_scores[rest, 0].min()
    assert results.correct[sample_correct(results)].all()
    cells = find_cells(results)
    for (true, predicted), positions in cells.items():
        inside = (results.labels == true) & (results.top_labels[:, 0] == predicted)
        assert len(positions) == min(inside.sum(), 12)
        assert inside[positions].all()
        assert (np.diff(results.losses[positions]) <= 0).all()
    assert len(cells) == len({*zip(results.labels, results.top_labels[:, 0], strict=True)})


def test_cells_of_many_classes_are_bounded():
    _, _, results = make_random_results(5000, 100)
    cells = find_cells(results)
    assert sum(map(len, cells.values())) == 1000
    assert all(true != predicted for true, predicted in cells)  # mistakes come first


@pytest.mark.parametrize('shape', [(9, 4), (50, 1), (50, 30)])
def test_the_embedding_is_finite_or_none(shape):
    features = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    points = embed(features)
    assert (points is None) == (shape[0] < 10)
    if points is not None:
        assert points.shape == (shape[0], 2)
        assert np.isfinite(points).all()
    assert embed(np.ones(shape, np.float32)) is None
    assert embed(np.full(shape, np.nan, np.float32)) is None


def test_groups_are_apart_in_the_embedding():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(center, 1, (30, 20)) for center in (0, 20)])
    points = embed(features.astype(np.float32))
    centers = points[:30].mean(0), points[30:].mean(0)
    spread = max(np.linalg.norm(points[i::30] - centers[0], axis=1).min() for i in range(30))
    assert np.linalg.norm(centers[0] - centers[1]) > spread


def test_thumbnails_have_the_colors_of_the_image():
    red = torch.zeros(3, 4, 6, dtype=torch.uint8)
    red[0] = 200
    np.testing.assert_array_equal(draw_sample(red, True)[0, 0], [200, 0, 0])
    np.testing.assert_array_equal(draw_sample(red.flip(0), False)[0, 0], [200, 0, 0])
    assert draw_sample(red[:1], False).shape == (4, 6, 3)
    np.testing.assert_array_equal(draw_sample(red.float(), True), draw_sample(red, True))
    scaled = draw_sample((red.float() - 100) / 50, True)  # normalized by the pipeline
    np.testing.assert_array_equal(scaled[0, 0], [255, 0, 0])
    large = resize(draw_sample(red, True), 96)
    assert large.shape == (64, 96, 3)
    assert resize(large, 12).shape == (8, 12, 3)
    assert encode(large).startswith(b'\xff\xd8')


def test_a_network_that_cannot_be_explained_has_a_report(tmp_path):
    """Such as one whose layers have no feature map."""
    _, _, results = make_random_results(12, 3)
    network = wrn.get_model(NETWORK, head=dict(num_classes=3, topk=(1,)))
    network.head.register_forward_pre_hook(lambda *_: 1 / 0)
    test = RecordedTest(Samples(12), network, False, results)
    write_report(tmp_path, make_report(3), test, Subject('small', [('model', 'small')]))
    content = json.loads((tmp_path / 'report.json').read_text())
    assert 'heat maps: division by zero' in content['left_out']
    assert sum(len(gallery['images']) for gallery in content['galleries']) >= 12
