"""Reports of odd samples, and of parts that fail."""

import errno
import importlib.util
import json
import re
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from torch import nn

import wrn
from wrn.head_only.logistic_regression import Trial
from wrn.head_only.trial_curves import make_trial_curves
from wrn.jobs.tested_report import report_test
from wrn.report.collect import add_images
from wrn.report.content import Content, Subject
from wrn.report.facts import list_facts
from wrn.report.thumbnails import choose_view
from wrn.report.write_report import write_report
from wrn.training.evaluation import CONFUSION, REPORT_FILES, Report
from wrn.training.evaluation.image_results import ImageRecorder, make_results
from wrn.training.hooks.record_images import RecordedTest, gives_rgb
from wrn_base.run_progress import SILENT

NETWORK = 'wide-resnet16-2_1xb64_digits'


class Samples(list):
    """A dataset without files."""

    def get_data_info(self, i):
        return dict(img=self[i]['inputs'].permute(1, 2, 0).numpy())


def make_samples(number, size=16):
    generator = torch.Generator().manual_seed(0)
    shape = (number, 3, size, size)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    return Samples(dict(inputs=image) for image in pixels)


def make_test(samples, classes=3, network=None):
    """Return the report and the results of a test with a mistake for every fifth image."""
    labels = torch.arange(len(samples)) % classes
    predicted = torch.where(torch.arange(len(samples)) % 5 > 0, labels, (labels + 1) % classes)
    confusion = torch.zeros(classes, classes, dtype=torch.long)
    confusion.index_put_((labels, predicted), torch.tensor(1), accumulate=True)
    scores = (nn.functional.one_hot(predicted, classes) * 8.0).softmax(1)
    features = np.random.default_rng(0).normal(size=(len(samples), 8)).astype(np.float32)
    results = make_results(scores, labels, features)
    network = network or wrn.get_model(NETWORK, head=dict(num_classes=classes, topk=(1,)))
    names = [f'class {i}' for i in range(classes)]
    return Report({CONFUSION: confusion}, names), RecordedTest(samples, network, False, results)


def views(flips):
    inputs = [torch.full((3, 8, 8), i, dtype=torch.uint8) for i in range(len(flips))]
    return dict(inputs=inputs, data_samples=[DataSample(metainfo=dict(flip=f)) for f in flips])


@pytest.mark.parametrize(
    ('flips', 'chosen'), [([True, False], 1), ([False, True], 0), ([True, True], 0)]
)
def test_of_several_views_one_without_a_flip_is_shown(flips, chosen):
    assert choose_view(views(flips)).unique().tolist() == [chosen]


ODD = {
    'a list of numbers': dict(inputs=[1, 2], data_samples=[0, 0]),
    'no views': dict(inputs=[], data_samples=[]),
    'an array': dict(inputs=np.zeros((3, 8, 8))),
    'a batch': dict(inputs=torch.zeros(1, 3, 8, 8)),
    'no pixels': dict(inputs=torch.zeros(3, 0, 8)),
    'no inputs': {},
    'no dict': None,
}


@pytest.mark.parametrize('odd', ODD)
def test_samples_that_are_no_images_count_as_unreadable(tmp_path, monkeypatch, odd):
    monkeypatch.setattr(Samples, 'get_data_info', Mock(side_effect=NotImplementedError))
    samples = make_samples(12)
    samples[3] = ODD[odd]
    report, test = make_test(samples)
    write_report(tmp_path, report, test, Subject('small', [('model', 'small')]))
    content = json.loads((tmp_path / 'report.json').read_text())
    assert any('could not be read a second time' in one for one in content['left_out'])
    paths = {image['path'] for one in content['galleries'] for image in one['images']}
    assert paths == {f'image {i}' for i in range(12) if i != 3}


# What is called in which module, the part that fails with it, and the file that is then missing.
PARTS = {
    'report.write_report.find_near_groups': ('near-duplicates', None),
    'report.collect.find_cells': ('images of cells', None),
    'report.collect.embed': ('embedding', None),
    'report.collect.Gallery': ('images', None),
    'report.album.Explainer': ('heat maps', None),
    'report.plots.draw_confusion': ('confusion.png', 'confusion.png'),
    'report.plots.draw_reliability': ('calibration.png', 'calibration.png'),
    'report.plots.draw_curves': ('curves.png', 'curves.png'),
    'report.page.render_page': ('page', 'index.html'),
    'curves': ('curves', 'curves.png'),
}


def make_curves():
    trial = Trial(1.0, 0.5, 90.0, 0.6, 80.0, True)
    return make_trial_curves('small', [trial, replace(trial, strength=2.0)], trial)


def write(folder, make_curves=make_curves):
    report, test = make_test(make_samples(24))
    write_report(folder, report, test, Subject('small', [('model', 'small')]), make_curves)


@pytest.mark.parametrize('name', PARTS)
def test_a_part_that_fails_is_left_out(tmp_path, monkeypatch, caplog, name):
    part, file = PARTS[name]
    fail = Mock(side_effect=RuntimeError('out of\npaper'))
    if name != 'curves':
        monkeypatch.setattr(f'wrn.{name}', fail)
    write(tmp_path, fail if name == 'curves' else make_curves)
    content = json.loads((tmp_path / 'report.json').read_text())
    assert content['left_out'] == [f'{part}: out of paper']
    assert content['metrics']['images'] == 24
    assert {*REPORT_FILES} - {path.name for path in tmp_path.iterdir()} == {file} - {None}
    failures = [record.levelname for record in caplog.records if 'out of paper' in record.message]
    assert failures == ['WARNING']


MISSING = {
    'jinja2 imagehash pytorch_grad_cam sklearn': 'page, near-duplicates, heat maps, embedding',
    'jinja2': 'page',
    'imagehash': 'near-duplicates',
    'pytorch_grad_cam': 'heat maps',
    'sklearn': 'heat maps, embedding',
}


@pytest.mark.parametrize('modules', MISSING)
def test_missing_packages_are_one_line(tmp_path, monkeypatch, caplog, modules):
    gone, find = modules.split(), importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name in gone else find(name)
    )
    write(tmp_path)
    are = f'{" and ".join(gone)} {"is" if len(gone) == 1 else "are"} not installed'
    assert caplog.messages == [
        f"{tmp_path}: without {MISSING[modules]}, since {are}; pip install 'mmpretrain-wrn[report]'"
    ]
    left_out = json.loads((tmp_path / 'report.json').read_text())['left_out']
    assert len(left_out) == (3 if len(gone) > 1 else len(MISSING[modules].split(', ')))
    for sentence in left_out:
        assert re.fullmatch(r"[^:]+: \w+ is not installed; pip install '\S+'", sentence)


@pytest.mark.parametrize(
    'error', [KeyboardInterrupt(), OSError(errno.ENOSPC, 'No space left on device')]
)
@pytest.mark.parametrize('name', ['report.collect.embed', 'report.page.render_page'])
def test_a_stop_and_a_full_disk_end_the_report_after_its_figures(
    tmp_path, monkeypatch, name, error
):
    monkeypatch.setattr(f'wrn.{name}', Mock(side_effect=error))
    with pytest.raises(type(error)):
        write(tmp_path)
    figures = {'report.json', 'classes.csv', 'confusion.csv'}
    assert {path.name for path in tmp_path.iterdir()} == figures
    content = json.loads((tmp_path / 'report.json').read_text())
    assert content['metrics']['images'] == 24
    assert 'the report is unfinished' in content['left_out'][0]


def test_a_stop_while_a_test_is_reported_names_what_replaces_its_figures(monkeypatch):
    for name in ('describe_dataset', 'list_facts'):
        monkeypatch.setattr(f'wrn.jobs.tested_report.{name}', Mock())
    stop = Mock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr('wrn.jobs.tested_report.write_report', stop)
    report, test = make_test(make_samples(2))
    with pytest.raises(KeyboardInterrupt, match='run the same command again with --overwrite'):
        report_test('report', 'small', Config(), report, test, 'float32', SILENT, False)


def test_cells_have_images_before_the_embedding(monkeypatch):
    """Images of noise take the space, so most of those in the map have none."""
    monkeypatch.setattr('wrn.report.album._MOST_BYTES', 2_200_000)
    report, test = make_test(make_samples(400, 64), 40, nn.Identity())
    content = Content('small', [], report)
    add_images(content, test, test.images, lambda done: None)
    mistakes = {cell: len(found) for cell, found in content.cells.items() if cell[0] != cell[1]}
    assert mistakes == {(5 * i, 5 * i + 1): 10 for i in range(8)}
    assert 80 < len(content.embedding.images) < 400
    assert any('take at most 10 MB' in one for one in content.left_out)


PIPELINES = {
    'files': (['LoadImageFromFile'], False),
    'arrays': ([], True),
    'files for a network of arrays': (['LoadImage', 'ReverseChannels'], True),
}


@pytest.mark.parametrize('pipeline', PIPELINES)
def test_the_channel_order_of_the_images_is_known(pipeline):
    steps, red_first = PIPELINES[pipeline]
    dataset = dict(type='CustomDataset', pipeline=[dict(type=step) for step in steps])
    for wrapped in (dataset, dict(type='ConcatDataset', datasets=[dataset, dataset])):
        assert gives_rgb(Config(dict(test_dataloader=dict(dataset=wrapped)))) == red_first


def test_positions_are_counted_in_a_test_in_order():
    """Those of the samples are positions in one of several datasets."""
    recorder = ImageRecorder(5, in_order=True)
    for start, number in ((0, 3), (3, 2)):
        sample = dict(pred_score=torch.tensor([0.9, 0.1]), gt_label=torch.tensor([0]))
        recorder.batch_features = torch.arange(start, start + number)[:, None].float()
        recorder.process(None, [dict(sample, sample_idx=0)] * number)
    recorder.evaluate(5)
    assert recorder.recorded.indices.tolist() == [0, 1, 2, 3, 4]
    assert recorder.recorded.features[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_fact_that_cannot_be_found_is_unknown(tmp_path, caplog):
    """Such as of a file that is removed while the test runs."""
    network = wrn.get_model(NETWORK)
    cfg = network._config
    cfg.load_from = str(tmp_path / 'gone.pth')
    facts = dict(list_facts(cfg, network, 'https://me:secret@host/small.py', 'digits'))
    assert facts['weights'].startswith('unknown (')
    assert 'gone.pth' in facts['weights']
    assert len(facts['SHA-256 of tensors']) == 64
    assert facts['preprocessing'].startswith('to 16x16')
    assert 'secret' not in str(facts)
    assert any('report: weights: unknown' in record.message for record in caplog.records)
