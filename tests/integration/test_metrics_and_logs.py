"""`wrn test` with reports and predictions, and the logs of `wrn train`."""

import csv
import importlib.util
import json
import pickle
import re
import runpy
import sys

import numpy as np
import pytest
from mmpretrain.registry import DATASETS
from sklearn.metrics import accuracy_score, f1_score, log_loss

from wrn.training.evaluation.curve_charts import make_curves
from wrn.training.evaluation.curve_plots import draw_curves
from wrn.training.evaluation.curves import read_log
from wrn_base import model_index
from wrn_base.cli import main

MODEL = 'wide-resnet16-2_1xb64_digits'
DIGITS = f'configs/wrn/{MODEL}.py'
TINY = [
    'model.backbone.depth=10', 'model.backbone.widen_factor=1', 'model.head.in_channels=64',
    'train_dataloader.dataset.indices=80', 'train_dataloader.batch_size=16',
    'val_dataloader.dataset.indices=32', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=1',
    'default_hooks.logger.interval=2',
]  # fmt: skip


@pytest.fixture(scope='module')
def tested(tmp_path_factory):
    """The output folder of `wrn test --report --out`, and its scores and labels."""
    folder = tmp_path_factory.mktemp('tested')
    common = ['test', MODEL, '--work-dir', str(folder / 'run')]
    main([*common, '--report', str(folder / 'new/report'), '--out', str(folder / 'p.pkl')])
    predictions = pickle.loads((folder / 'p.pkl').read_bytes())
    scores = np.stack([p['pred_score'] for p in predictions]).astype(float)
    labels = np.array([int(p['gt_label']) for p in predictions])
    return folder, scores / scores.sum(axis=1, keepdims=True), labels


def test_the_report_agrees_with_the_predictions(tested):
    folder, scores, labels = tested
    data = DATASETS.build(dict(type='Digits', split='test', pipeline=[]))
    assert labels.tolist() == data.get_gt_labels().tolist()  # in the order of the dataset
    metrics = json.loads((folder / 'new/report/report.json').read_text())['metrics']
    predicted = scores.argmax(axis=1)
    top1 = 100 * accuracy_score(labels, predicted)
    assert metrics['accuracy/top1'] == pytest.approx(top1, rel=1e-6)  # float32
    macro = 100 * f1_score(labels, predicted, average='macro')
    assert metrics['single-label/f1-score'] == pytest.approx(macro)
    assert metrics['calibration/nll'] == pytest.approx(log_loss(labels, scores), rel=1e-5)
    with (folder / 'new/report/confusion.csv').open() as file:
        rows = [list(map(int, row[1:])) for row in list(csv.reader(file))[1:]]
    expected = np.bincount(10 * labels + predicted, minlength=100).reshape(10, 10)
    np.testing.assert_array_equal(rows, expected)
    assert (folder / 'new/report/confusion.png').stat().st_size > 5000


def test_a_config_with_its_own_metrics(tested, tmp_path, capfd):
    folder, _, labels = tested
    config = tmp_path / 'mine.py'
    config.write_text(f"""
_base_ = ['{model_index.root()}/{DIGITS}']
test_evaluator = [
    dict(type='Accuracy', topk=(1, 5)), dict(type='ConfusionMatrix'), dict(type='Calibration'),
    dict(type='SingleLabelMetric', average=None),
]
""")
    weights = model_index.models()[MODEL].weights
    out = tmp_path / 'm.json'
    options = ['--out', str(out), '--out-item', 'metrics', '--work-dir', str(tmp_path)]
    main(['test', str(config), weights, *options])
    printed = capfd.readouterr().out
    metrics = json.loads(out.read_text())
    expected = json.loads((folder / 'new/report/report.json').read_text())['metrics']
    assert metrics['calibration/ece'] == expected['calibration/ece']
    assert np.sum(metrics['confusion_matrix/result']) == len(labels)
    # The numbers and lists in the log file.
    (path,) = tmp_path.glob('*/*.log')
    log = path.read_text().split('Load checkpoint')[1]
    assert re.search(r'test  accuracy/top1: 99\.1549  accuracy/top5: 100\.0000  cal', log)
    assert re.search(r'single-label/f1-score_classwise: 98\.55 100 100 98\.63 ', log)
    assert 'tensor(' not in log
    # The tables of metrics and of classes, the lowest F1 first.
    assert re.search(r'\n calibration/nll +0\.029 *\n', printed)
    assert re.search(
        r'\n class +precision +recall +F1 +images *\n 9 +97\.2 +97\.2 +97\.2 +36', printed
    )


@pytest.mark.parametrize('name', ['p.csv', 'p.json'])
def test_predictions_of_images_with_paths(make_image_folder, tmp_path, name):
    """With test-time augmentation."""
    root = make_image_folder(classes=10, val=1)
    config = tmp_path / 'mine.py'
    load = "[dict(type='LoadImageFromFile'), dict(type='Resize', scale=(16, 16)), dict(type='PackInputs')]"
    config.write_text(
        f"_base_ = ['{model_index.root()}/{DIGITS}']\n"
        f"test_dataloader = dict(dataset=dict(_delete_=True, type='CustomDataset', pipeline={load},\n"
        f"    data_root='{root}', data_prefix='val',\n"
        '    metainfo=dict(classes=[str(i) for i in range(10)])))\n'  # as the network has them
    )
    out = tmp_path / name
    weights = model_index.models()[MODEL].weights
    main(['test', str(config), weights, '--tta', '--out', str(out), '--work-dir', str(tmp_path)])
    rows = list(csv.DictReader(out.open())) if name == 'p.csv' else json.loads(out.read_text())
    for row in rows if name == 'p.json' else ():
        (prediction,) = row.pop('predictions')
        row.update(prediction)
    assert [row['img_path'] for row in rows] == [f'{root}/val/class_{i}/0.jpg' for i in range(10)]
    assert [row['gt_class'] for row in rows] == [f'{i}' for i in range(10)]
    assert [int(row['gt_label']) for row in rows] == list(range(10))
    assert all(row['pred_class'] == str(row['pred_label']) for row in rows)


def test_outputs_that_cannot_be_written(fails, tmp_path):
    test = ['test', DIGITS, 'x.pth', '--work-dir', tmp_path / 'run']
    (tmp_path / 'file').touch()
    for folder in ('file', 'file/report'):
        message = fails(*test, '--report', tmp_path / folder)
        assert f'--report {tmp_path / folder}: cannot be created' in message
    message = fails(*test, '--out', 'p.txt')
    assert 'predictions are written as .pkl, .pickle, .csv, .jsonl, .json, .parquet' in message
    assert 'metrics are written as .json' in fails(*test, '--out', 'p.csv', '--out-item', 'metrics')


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The scalars.json of a short run, which also logs to TensorBoard if that is installed."""
    folder = tmp_path_factory.mktemp('trained')
    options = ['--tensorboard'] if importlib.util.find_spec('tensorboard') else []
    main(['train', DIGITS, *options, '--work-dir', str(folder), '--cfg-options', *TINY])
    (scalars,) = folder.glob('*/vis_data/scalars.json')
    return scalars


def test_tensorboard_has_the_logged_scalars(trained):
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    events = accumulator.EventAccumulator(str(trained.parent)).Reload()
    lines = [json.loads(line) for line in trained.read_text().splitlines()]
    names = {name for line in lines for name in line} - {'step'}
    assert {'loss', 'lr', 'images_per_second', 'accuracy/top1'} < names
    assert set(events.Tags()['scalars']) == names
    for name in names:
        expected = [(line['step'], line[name]) for line in lines if name in line]
        events_of_name = [(event.step, event.value) for event in events.Scalars(name)]
        np.testing.assert_allclose(events_of_name, expected, rtol=1e-6)  # float32


def test_mmpretrains_tools_read_the_log(trained, monkeypatch, capsys, mmpretrain_root):
    lines = read_log(str(trained.parents[2]))
    assert all(line['images_per_second'] > 0 for line in lines if 'loss' in line)
    loss, accuracy, _ = (axes.lines[0] for axes in draw_curves([make_curves('', lines)]).axes)
    assert list(loss.get_xdata()) == [1, 2]
    assert list(accuracy.get_xdata()) == [1, 2]
    tool = mmpretrain_root / '.mim/tools/analysis_tools/analyze_logs.py'
    monkeypatch.setattr(sys, 'argv', ['x', 'cal_train_time', str(trained)])
    runpy.run_path(str(tool), run_name='__main__')
    assert re.search(r'average iter time: 0\.\d+ s/iter', capsys.readouterr().out)
