"""Metrics against scikit-learn, mmpretrain and their definitions; predictions and reports."""

import csv
import json
import pickle
import runpy
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmpretrain.evaluation import ConfusionMatrix, SingleLabelMetric
from mmpretrain.structures import DataSample
from ranks import build_evaluator, evaluate, run_in_two
from scipy.stats import binomtest
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
)

from wrn.cli.tables import print_report
from wrn.cli.test import _to_json
from wrn.results.writers import SUFFIXES
from wrn.training.evaluation import (
    ACCURACY,
    BALANCED,
    CONFUSION,
    REPORT_METRICS,
    PredictionWriter,
    Proportion,
    Report,
    add_metrics,
)
from wrn_base.errors import WrnError

METRICS = [
    dict(type='Accuracy', topk=(1, 3)),
    dict(type='SingleLabelMetric', average=None),
    dict(type='SingleLabelMetric', prefix='mean'),
    *REPORT_METRICS,
]
COLUMNS = [
    'sample_idx', 'img_path', 'error', 'gt_label', 'gt_class', 'pred_label', 'pred_class',
    'pred_score',
]  # fmt: skip


@pytest.fixture
def predictions(rng):
    """Over-confident scores of seven classes, and labels: class 5 has no images, class 6 scores 0."""
    labels = rng.choice([0, 1, 2, 3, 4, 6], 83, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1])
    logits = rng.normal(size=(83, 7))
    logits[range(83), labels] += 1
    logits[:, 6] -= 100
    scores = torch.softmax(torch.from_numpy(3 * logits), dim=1).float()
    return scores, torch.from_numpy(labels)


@pytest.fixture
def samples(predictions):
    """Predictions without image paths, like those of the digits."""
    batch = zip(*predictions, strict=True)
    return [
        DataSample(metainfo=dict(sample_idx=i))
        .set_pred_score(score)
        .set_pred_label(score.argmax())
        .set_gt_label(label)
        for i, (score, label) in enumerate(batch)
    ]


def expected_calibration_error(scores, labels, bins):
    """Compute equations 2, 3 and 5 of Guo et al. literally."""
    confidence, correct = scores.max(axis=1), scores.argmax(axis=1) == labels
    error = 0.0
    for m in range(1, bins + 1):
        members = ((m - 1) / bins < confidence) & (confidence <= m / bins)
        if members.any():
            gap = correct[members].mean() - confidence[members].mean()
            error += members.sum() / len(labels) * abs(gap)
    return error


@pytest.mark.parametrize('bins', [1, 10, 15])
def test_calibration_metrics_agree_with_their_definitions(predictions, samples, bins):
    evaluator = build_evaluator(dict(type='Calibration', bins=bins))
    found = evaluator.offline_evaluate(samples, chunk_size=16)
    scores, labels = (tensor.numpy() for tensor in predictions)
    scores = scores.astype(float)
    # The sums are in another order, so only the float64 rounding differs.
    expected = 100 * expected_calibration_error(scores, labels, bins)
    assert found['calibration/ece'] == pytest.approx(expected, rel=1e-12)
    # scikit-learn requires probabilities that sum to 1, which float32 misses by 1e-7, and clips
    # those below 2.2e-16, which class 6 has.
    usual = labels != 6
    scores /= scores.sum(axis=1, keepdims=True)
    least = np.finfo(np.float32).tiny
    total = -np.log(np.maximum(scores[~usual, 6], least)).sum()
    total += log_loss(labels[usual], scores[usual], labels=range(7), normalize=False)
    assert found['calibration/nll'] == pytest.approx(total / 83, rel=1e-6)


@pytest.mark.parametrize('confidence', [1 / 15, 0.2, 1 / 3, 1.0])
def test_right_edges_of_bins_are_inclusive(confidence):
    """An image on the edge of a bin shares the bin with one just below the edge; one is correct."""
    rows = np.zeros((2, 20))
    rows[:, 0] = confidence, confidence - 1e-4
    rows[:, 1:] = (1 - rows[:, :1]) / 19
    samples = [
        DataSample().set_pred_score(torch.from_numpy(row)).set_gt_label(i)
        for i, row in enumerate(rows)
    ]
    found = build_evaluator(dict(type='Calibration')).offline_evaluate(samples)
    assert found['calibration/ece'] == pytest.approx(100 * abs(0.5 - rows[:, 0].mean()))


def test_class_metrics_agree_with_scikit_learn_and_mmpretrain(predictions, samples):
    metrics = build_evaluator(*METRICS).offline_evaluate(samples, chunk_size=16)
    report = Report(metrics, 'abcdefg')
    scores, labels = predictions
    predicted = scores.argmax(dim=1)
    np.testing.assert_array_equal(
        report.confusion, confusion_matrix(labels, predicted, labels=range(7))
    )
    found = np.nan_to_num([(c.precision, c.recall, c.f1, c.support) for c in report.classes])
    expected = precision_recall_fscore_support(labels, predicted, labels=range(7), zero_division=0)
    theirs = SingleLabelMetric.calculate(scores, labels, average=None)[0]
    for column, by_sklearn, by_mmpretrain, scale in zip(
        zip(*found, strict=True), expected, theirs, (100, 100, 100, 1), strict=True
    ):
        np.testing.assert_allclose(column, scale * by_sklearn, rtol=1e-12)
        np.testing.assert_allclose(column, by_mmpretrain, rtol=1e-6)  # float32
    for name in ('precision', 'recall', 'f1-score'):
        assert report.metrics[f'single-label/{name}'] == pytest.approx(metrics[f'mean/{name}'])
    assert report.metrics['accuracy/top3'] == metrics['accuracy/top3']
    assert report.metrics['accuracy/top1'] == metrics['accuracy/top1']
    assert report.accuracy.percent == pytest.approx(metrics['accuracy/top1'], rel=1e-6)  # float32
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of class f, which is predicted but has no images
        balanced = 100 * balanced_accuracy_score(labels, predicted)
    assert report.metrics[BALANCED] == pytest.approx(balanced, rel=1e-12)
    worst = report.worst(10)
    assert len(worst) == 6  # class f has no images
    assert worst[0].name == 'g'
    assert [c.f1 for c in worst] == sorted(c.f1 for c in worst)


def test_what_cannot_be_measured_of_a_class_is_no_number():
    report = Report({CONFUSION: np.array([[8, 0, 2], [3, 0, 0], [0, 0, 0]])}, 'abc')
    found = [(c.precision, c.recall, c.f1) for c in report.classes]
    never_predicted, without_images = (np.nan, 0, 0), (0, np.nan, np.nan)
    expected = [(pytest.approx(800 / 11), 80, pytest.approx(1600 / 21))]
    np.testing.assert_array_equal(found[1:], [never_predicted, without_images])
    assert found[:1] == expected
    assert report.metrics['single-label/precision'] == pytest.approx(800 / 33)  # as mmpretrain's
    printed = _to_json(SimpleNamespace(metrics={}, report=report))['classes']
    assert [row['precision'] is None for row in printed] == [False, True, False]


@pytest.mark.parametrize('total', [1, 2, 9, 30, 355, 50_000])
def test_the_interval_agrees_with_scipy(total):
    for correct in {0, 1, total // 2, total - 1, total}:
        found = Proportion(correct, total).interval
        expected = binomtest(correct, total).proportion_ci(method='wilson')
        # The same formula in another order: only the float64 rounding differs.
        assert found == pytest.approx([100 * expected.low, 100 * expected.high], abs=1e-12)
    assert Proportion(0, total).interval[0] == 0
    assert Proportion(total, total).interval[1] == 100


@pytest.mark.parametrize(
    ('correct', 'total', 'text'),
    [
        (8, 9, '88.9 % (8 of 9; 95 % interval 57 to 98)'),
        (9, 9, '100.0 % (9 of 9; 95 % interval 70 to 100)'),
        (352, 355, '99.2 % (352 of 355; 95 % interval 97.5 to 99.7)'),
        (39_235, 50_000, '78.47 % (39,235 of 50,000; 95 % interval 78.11 to 78.83)'),
    ],
)
def test_figures_have_the_digits_that_they_deserve(correct, total, text):
    assert str(Proportion(correct, total)) == text


def test_a_report_prints_the_accuracy_with_its_interval(capsys):
    confusion = torch.tensor([[6, 1, 0], [0, 2, 0], [0, 0, 0]])
    metrics = {CONFUSION: confusion, 'calibration/nll': 0.25, 'calibration/ece': 3.21, 'f': 1234.5}
    report = Report(metrics, ['cat', 'dog', 'eel'])
    assert report.metrics[ACCURACY] == pytest.approx(800 / 9)
    print_report(report)
    lines = [' '.join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == [
        'accuracy 88.9 % (8 of 9; 95 % interval 57 to 98)',
        'balanced accuracy 92.9 %',
    ]
    assert lines[2:5] == ['calibration/nll 0.25', 'calibration/ece 3 %', 'f 1.23e+03']
    assert 'dog 66.7 100.0 80.0 2' in lines
    assert (
        '1 class without images: not in the balanced accuracy, and 0 in the means over classes, so '
        'these are not shown'
    ) in lines
    assert not [line for line in lines if line.startswith('single-label/')]
    assert report.metrics['single-label/recall'] == pytest.approx(61.9, abs=0.05)  # in the file
    print_report(Report({CONFUSION: confusion[:2, :2]}, ['cat', 'dog']))
    assert 'single-label/recall' in capsys.readouterr().out
    print_report(Report({CONFUSION: np.diag([2, 0])}, ['cat', 'dog']))
    assert 'the 1 class of 2 with the lowest F1:' in capsys.readouterr().out
    assert not [line for line in lines if line.startswith(('images', ACCURACY))]


def test_two_processes_compute_the_metrics_of_one(samples, tmp_path):
    """The number of images is smaller than that of processes, odd, or a multiple of the batch."""
    sizes = [1, 2, 3, 5, 6, 12, 83]
    writers = [[dict(type='PredictionWriter', out=str(tmp_path / f'{n}.csv'))] for n in (1, 2)]
    samples = [sample.to_dict() for sample in samples]
    alone = evaluate(METRICS + writers[0], samples, sizes)
    for results in run_in_two(evaluate, METRICS + writers[1], samples, sizes):
        assert [r.keys() for r in results] == [r.keys() for r in alone]
        for result, expected in zip(results, alone, strict=True):
            for name, value in expected.items():
                assert np.array_equal(result[name], value), name
    assert (tmp_path / '1.csv').read_text() == (tmp_path / '2.csv').read_text()
    with (tmp_path / '2.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['sample_idx'] for row in rows] == [str(i) for i in range(83)]


def write(samples, out, **meta):
    evaluator = build_evaluator(dict(type='PredictionWriter', out=str(out)))
    evaluator.dataset_meta = meta
    assert evaluator.offline_evaluate(samples, chunk_size=16) == {}


def test_predictions_are_the_same_in_every_format(predictions, samples, tmp_path):
    pytest.importorskip('pyarrow')
    samples[3].set_field('a, "b".jpg', 'img_path', field_type='metainfo')
    for sample in samples:
        sample.set_field(sample.get('img_path', 'ü.jpg'), 'img_path', field_type='metainfo')
    classes = ['x', 'y', 'ž', 'a,b', 'e', 'f', 'g']
    for suffix in SUFFIXES:
        write(samples, tmp_path / f'p{suffix}', classes=classes)
    records = json.loads((tmp_path / 'p.json').read_text(encoding='utf-8'))
    scores, labels = predictions
    rows = []
    for i, record in enumerate(records):
        best = int(scores[i].argmax())
        prediction = dict(
            pred_label=best, pred_score=float(scores[i, best]), pred_class=classes[best]
        )
        ground_truth = dict(gt_label=int(labels[i]), gt_class=classes[labels[i]])
        image = dict(sample_idx=i, img_path='a, "b".jpg' if i == 3 else 'ü.jpg')
        assert record == dict(**image, **ground_truth, predictions=[prediction])
        rows.append(dict(**image, error=None, **ground_truth, **prediction))
    assert len(rows) == 83
    lines = (tmp_path / 'p.jsonl').read_text(encoding='utf-8').splitlines()
    assert list(map(json.loads, lines)) == records
    with (tmp_path / 'p.csv').open(encoding='utf-8', newline='') as file:
        reader = csv.DictReader(file)
        assert list(reader) == [
            {k: '' if v is None else str(v) for k, v in row.items()} for row in rows
        ]
    assert reader.fieldnames == COLUMNS
    parquet = pytest.importorskip('pyarrow.parquet')
    table = parquet.read_table(tmp_path / 'p.parquet')
    assert table.column_names == COLUMNS
    assert table.to_pylist() == rows  # scores are float32 everywhere


def test_predictions_without_paths_and_class_names(samples, tmp_path):
    write(samples, tmp_path / 'p.json')
    record = json.loads((tmp_path / 'p.json').read_text())[7]
    assert list(record) == ['sample_idx', 'gt_label', 'predictions']
    assert list(record['predictions'][0]) == ['pred_label', 'pred_score']
    write(samples, tmp_path / 'p.csv')
    with (tmp_path / 'p.csv').open(newline='') as file:
        reader = csv.DictReader(file)
        row = next(reader)
    assert reader.fieldnames == COLUMNS
    assert [name for name in COLUMNS if not row[name]] == [
        'img_path',
        'error',
        'gt_class',
        'pred_class',
    ]


def test_parquet_requires_pyarrow(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(WrnError, match='pyarrow is not installed; pip install pyarrow'):
        PredictionWriter('p.parquet')


def test_mmpretrains_tools_read_the_pickle(
    samples, predictions, tmp_path, mmpretrain_root, monkeypatch, capsys
):
    out = tmp_path / 'p.pkl'
    write(samples, out)
    theirs = build_evaluator(dict(type='DumpResults', out_file_path=str(tmp_path / 'theirs.pkl')))
    theirs.offline_evaluate(samples)
    ours, theirs = (pickle.loads(p.read_bytes()) for p in (out, tmp_path / 'theirs.pkl'))
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys()
        assert all(np.array_equal(a[key], b[key]) for key in a)
    # DumpResults pickles the scores of the whole batch for each image.
    assert out.stat().st_size < (tmp_path / 'theirs.pkl').stat().st_size / 2
    tool = mmpretrain_root / '.mim/tools/analysis_tools/eval_metric.py'
    monkeypatch.setattr(sys, 'argv', ['x', str(out), '--metric', 'type=Accuracy'])
    runpy.run_path(str(tool), run_name='__main__')
    scores, labels = predictions
    top1 = 100 * (scores.argmax(dim=1) == labels).double().mean().item()
    assert f"'accuracy/top1': {top1:.3f}" in capsys.readouterr().out


def test_a_failure_keeps_the_previous_file(samples, tmp_path):
    out = tmp_path / 'p.json'
    out.write_text('old')
    samples[-1].set_field('not JSON', 'gt_label', field_type='data')
    with pytest.raises(ValueError, match='not JSON'):
        write(samples, out)
    assert out.read_text() == 'old'
    assert [path.name for path in tmp_path.iterdir()] == ['p.json']


def make_report(count):
    confusion = np.eye(count, dtype=int) * 9
    confusion[0, -1] = 1
    metrics = {CONFUSION: torch.from_numpy(confusion), 'accuracy/top1': 90.0, 'list': [1.0]}
    return Report(metrics, [f'class $_{i}' for i in range(count)])


@pytest.mark.parametrize(
    'existing', [dict(type='mmpretrain.ConfusionMatrix'), dict(type='ConfusionMatrix', prefix='x')]
)
def test_metrics_are_added_once(existing):
    metrics = add_metrics(existing, *REPORT_METRICS)
    assert metrics == [existing, *(REPORT_METRICS if 'prefix' in existing else REPORT_METRICS[1:])]
    assert add_metrics(metrics, *REPORT_METRICS) == metrics
    assert add_metrics(None, existing) == [existing]
    assert isinstance(build_evaluator(*metrics).metrics[0], ConfusionMatrix)
