"""Heads that predict any number of classes per image are tested and predict as such."""

import csv
import json
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from pyarrow import parquet
from small_run import write_classes, write_config

import wrn
from wrn.results.writers import write_predictions
from wrn_base.cli import main

LABELS = [[0], [0, 1], [], [2, 1], [0, 1, 2], [2]]
HEAD = """
model['head'] = dict(type='{type}', in_channels=64, num_classes=3, {more})
dataset = dict(type='MultiLabelDataset', data_root='data', ann_file='labels.json',
               pipeline=pipeline)
train_dataloader['dataset'] = val_dataloader['dataset'] = dataset
val_evaluator = test_evaluator = [dict(type='AveragePrecision')]
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Six images with labels, and a network with random weights."""
    folder = tmp_path_factory.mktemp('multi_label')
    write_classes(folder / 'data', ['a', 'b', 'c'], 2)
    paths = sorted(str(p.relative_to(folder / 'data')) for p in folder.glob('data/*/*.png'))
    images = [dict(img_path=p, gt_label=label) for p, label in zip(paths, LABELS, strict=True)]
    content = dict(metainfo=dict(classes=['ape', 'bee', 'cat']), data_list=images)
    mmengine.dump(content, folder / 'data' / 'labels.json')
    head = HEAD.format(type='MultiLabelLinearClsHead', more='thr=0.3')
    write_config(folder / 'small.py', head)
    torch.manual_seed(1)
    model = wrn.get_model(folder / 'small.py')
    model.init_weights()
    torch.nn.init.normal_(model.head.fc.weight, std=0.5)
    checkpoint = dict(meta=dict(dataset_meta=content['metainfo']), state_dict=model.state_dict())
    torch.save(checkpoint, folder / 'w.pth')
    return folder


def test_test_writes_all_labels_and_a_report(run, folder, tmp_path):
    command = ['wrn', 'test', 'small.py', 'w.pth', '--work-dir', tmp_path / 'run']
    run(*command, '--out', tmp_path / 'x.json', '--report', tmp_path / 'r', cwd=folder)
    records = json.loads((tmp_path / 'x.json').read_text())
    assert [record['gt_labels'] for record in records] == LABELS
    assert records[3]['gt_classes'] == ['cat', 'bee']
    truth, found = (np.zeros((6, 3)) for _ in range(2))
    for i, record in enumerate(records):
        result = wrn.inference_model(
            str(folder / 'small.py'), str(folder / record['img_path']), folder / 'w.pth'
        )
        scores = result['pred_scores']
        expected = sorted(np.flatnonzero(scores >= 0.3), key=lambda label: -scores[label])
        assert record['pred_labels'] == result['pred_labels'] == expected
        assert record['pred_classes'] == [['ape', 'bee', 'cat'][label] for label in expected]
        truth[i, LABELS[i]] = found[i, expected] = 1
    right = (truth * found).sum(0)
    with (tmp_path / 'r' / 'classes.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['class'] for row in rows] == ['ape', 'bee', 'cat']
    assert [float(row['support']) for row in rows] == truth.sum(0).tolist()
    recalls = [float(row['recall']) for row in rows]
    np.testing.assert_allclose(recalls, 100 * right / truth.sum(0), rtol=1e-6)
    precisions = [float(row['precision']) for row in rows]
    np.testing.assert_allclose(precisions, 100 * right / found.sum(0).clip(1), rtol=1e-6)
    assert not (tmp_path / 'r' / 'confusion.csv').exists()
    metrics = json.loads((tmp_path / 'r' / 'report.json').read_text())['metrics']
    assert metrics['multi-label/recall'] == pytest.approx(np.mean(recalls))
    assert 'multi-label/mAP' in metrics
    (left_out,) = json.loads((tmp_path / 'r' / 'report.json').read_text())['left_out']
    for part in ('confusion matrix', 'calibration', 'images', 'embedding', 'near-duplicates'):
        assert part in left_out


OWN = "val_evaluator = test_evaluator = [dict(type='MultiLabelMetric', {})]\n"


def test_a_config_with_its_own_metric_has_a_report(folder, tmp_path, monkeypatch):
    """Its figures are those of a test without a report."""
    monkeypatch.chdir(folder)
    head = HEAD.format(type='MultiLabelLinearClsHead', more='thr=0.3')
    config = write_config(tmp_path / 'own.py', head + OWN.format(''))
    options = dict(work_dir=str(tmp_path / 'run'))
    own = wrn.test(config, 'w.pth', **options).metrics
    tested = wrn.test(config, 'w.pth', report=str(tmp_path / 'r'), **options)
    assert own.items() <= tested.metrics.items()
    content = json.loads((tmp_path / 'r' / 'report.json').read_text())
    assert [one['support'] for one in content['classes']] == [3, 3, 3]


def test_a_report_that_cannot_be_made_is_an_error(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    head = HEAD.format(type='MultiLabelLinearClsHead', more='thr=0.3')
    config = write_config(tmp_path / 'own.py', head + OWN.format("prefix='classes'"))
    with pytest.raises(wrn.WrnError, match=r'--report .*: not written, since the test has no'):
        wrn.test(config, 'w.pth', report=str(tmp_path / 'r'), work_dir=str(tmp_path / 'run'))


@pytest.mark.parametrize('options', [[], ['--topk', '1']])
def test_predict_says_which_classes_pass(folder, capsys, monkeypatch, options):
    monkeypatch.chdir(folder)
    image = 'data/a/000.png'
    model = ('--model', 'small.py', '--checkpoint', 'w.pth')
    main(['predict', image, *model, *options])
    lines = capsys.readouterr().out.splitlines()
    result = wrn.inference_model('small.py', image, 'w.pth')
    passing = [line.split()[-3] for line in lines if line.rstrip().endswith('yes')]
    assert passing == result['pred_classes']
    assert lines[0].split() == ['image', 'class', 'score', 'passes']


def test_lists_in_csv_and_parquet(tmp_path):
    record = dict(
        img_path='x', gt_labels=[0], gt_classes=['a, "b"'], pred_labels=[], pred_classes=[],
        predictions=[dict(pred_label=2, pred_class='c', pred_score=0.25)],
    )  # fmt: skip
    for name in ('x.csv', 'x.parquet'):
        write_predictions(tmp_path / name, [record], topk=1, truth=True, multi_label=True)
    with (tmp_path / 'x.csv').open() as file:
        (row,) = csv.DictReader(file)
    assert (row['gt_labels'], row['pred_labels'], row['pred_class']) == ('[0]', '[]', 'c')
    assert json.loads(row['gt_classes']) == ['a, "b"']
    (row,) = parquet.read_table(tmp_path / 'x.parquet').to_pylist()
    assert {key: row[key] for key in record if key != 'predictions'} == {
        key: value for key, value in record.items() if key != 'predictions'
    }


def test_several_tasks_are_refused_before_the_run(fails, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(folder)
    heads = 'task_heads=dict(a=dict(type="LinearClsHead", num_classes=2))'
    write_config(tmp_path / 'tasks.py', HEAD.format(type='MultiTaskHead', more=heads))
    text = Path(tmp_path, 'tasks.py').read_text().replace('num_classes=3, task', 'task')
    Path(tmp_path, 'tasks.py').write_text(text)
    test = ['test', tmp_path / 'tasks.py', 'w.pth', '--work-dir', tmp_path / 'run']
    assert '--out x.csv: cannot hold the predictions of a MultiTaskHead' in fails(
        *test, '--out', 'x.csv'
    )
    assert '--report: cannot hold' not in fails(
        'test', 'small.py', 'none.pth', '--report', tmp_path
    )
    assert '--report: cannot hold' in fails(*test, '--report', tmp_path)
