"""The report of a test and of fine-tuning, against values that do not come from it."""

import json
import re
import shutil
import sys
from importlib.metadata import version
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from commands import run_wrn
from safetensors import safe_open
from small_run import write_classes, write_config, write_data

import wrn
from wrn.checkpoints import read_checkpoint
from wrn.checkpoints.tensor_hash import hash_tensors
from wrn.data.digits import Digits
from wrn.training.evaluation import REPORT_FILES
from wrn_base import model_index
from wrn_base.errors import AssumptionWarning

NAME = 'wide-resnet16-2_1xb64_digits'


@pytest.fixture(scope='module')
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp('report')
    tested = wrn.test(NAME, report=str(folder / 'report'), work_dir=str(folder / 'work'))
    return json.loads((folder / 'report/report.json').read_text()), tested, folder / 'report'


@pytest.fixture(scope='module')
def predictions():
    """Predictions for the images of the test, by another path: as arrays, one after the other."""
    images = Digits('test', pipeline=[], lazy_init=False)
    arrays = [images.get_data_info(i)['img'] for i in range(len(images))]
    labels = [images.get_data_info(i)['gt_label'] for i in range(len(images))]
    found = wrn.inference_model(NAME, arrays, batch_size=64, channel_order='RGB')
    return np.stack([one['pred_scores'] for one in found]), np.array(labels)


def test_the_images_are_those_with_the_highest_loss(report, predictions):
    scores, labels = predictions
    losses = -np.log(scores[np.arange(len(labels)), labels])
    worst, certain, correct = report[0]['galleries']
    wrong = np.flatnonzero(scores.argmax(1) != labels)
    assert [image['path'] for image in worst['images']] == [
        f'image {i}' for i in wrong[np.argsort(-losses[wrong])]
    ]
    for image in (*worst['images'], *certain['images'], *correct['images']):
        i = int(image['path'].split()[1])
        assert image['label'] == labels[i]
        assert image['loss'] == pytest.approx(losses[i], abs=1e-5)
        best = np.argsort(-scores[i])[:3]
        assert [one['label'] for one in image['predictions']] == best.tolist()
        given = [one['score'] for one in image['predictions']]
        np.testing.assert_allclose(given, scores[i, best], atol=1e-5)
    assert len(certain['images']) == 24
    assert certain['images'][0]['path'] == f'image {scores.max(1).argmin()}'


def test_the_figures_are_those_of_the_test(report, predictions):
    content, tested, _ = report
    scores, labels = predictions
    assert content['metrics'] == tested.metrics
    assert [vars(one) for one in tested.report.classes] == content['classes']
    for true, predicted, number in content['confusion']:
        assert number == ((labels == true) & (scores.argmax(1) == predicted)).sum()
    bins = content['calibration']
    assert sum(one['count'] for one in bins) == len(labels)
    ece = sum(one['count'] * abs(one['accuracy'] - one['confidence']) for one in bins) / len(labels)
    assert 100 * ece == pytest.approx(content['metrics']['calibration/ece'], abs=1e-4)


def test_the_facts_say_what_was_tested(report):
    facts = report[0]['facts']
    path = model_index.find(NAME).weights
    with safe_open(path, 'pt') as file:
        assert (
            facts['SHA-256 of tensors'] == json.loads(file.metadata()['meta'])['sha256_of_tensors']
        )
    assert facts['data'] == 'Digits: 355 images of 10 classes'
    assert f'torch {torch.__version__.partition("+")[0]}' in facts['versions'].replace('+cpu', '')
    assert Path(sys.argv[0]).name in facts['command line']
    assert f'trained by this package (wrn/assets/{Path(path).name})' in facts['weights']
    assert facts['backend'] == 'eager, float32'
    for package in ('scikit-learn', 'imagehash', 'grad-cam', 'matplotlib'):
        assert f' {package} {version(package)}' in facts['versions'].lower()


def test_the_page_has_all_images_and_loads_none(report):
    page = (report[2] / 'index.html').read_text()
    assert len(page) < 13_000_000
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert page.count('data:image/jpeg;base64,') >= 72


@pytest.mark.parametrize('backend', ['fused', 'onnxruntime'])
def test_a_backend_without_gradients_has_no_heat_maps(tmp_path, backend):
    folder = tmp_path / 'report'
    wrn.test(NAME, report=str(folder), work_dir=str(tmp_path / 'work'), backend=backend)
    content = json.loads((folder / 'report.json').read_text())
    assert any('embedding' in sentence for sentence in content['left_out'])
    assert content['facts']['backend'] == f'{backend}, float32'
    assert any('heat maps' in sentence for sentence in content['left_out']) == (backend != 'fused')


def test_fine_tuning_leaves_a_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_classes('data/train', ['ape', '<b>bee', 'cat'], 6)
    write_classes('data/val', ['ape', '<b>bee', 'cat'], 4)
    write_config('small.py')
    torch.save(dict(state_dict=wrn.get_model('small.py').state_dict()), 'w.pth')
    words = ['finetune', 'data', '--model', 'small.py', '--checkpoint', 'w.pth', '--epochs', '2']
    done = run_wrn(words, 120)
    assert done.returncode == 0, done.stderr
    folder = Path('work_dirs/data/report')
    content = json.loads((folder / 'report.json').read_text())
    facts = content['facts']
    assert facts['weights'] == 'w.pth; fine-tuned on data'
    assert facts['model'] == 'data, fine-tuned from small.py'
    assert 'the test images are those of validation' in content['cautions'][0]
    assert any('fewer than 10 training images' in one for one in content['cautions'])
    assert 'train: 18 images' in facts['data']
    assert 'test: the same images as val' in facts['data']
    weights = next(Path('work_dirs/data').glob('data-*.pth'))
    meta = torch.load(weights, weights_only=True)['meta']
    assert facts['SHA-256 of tensors'] == meta['sha256_of_tensors']
    paths = {image['path'] for one in content['galleries'] for image in one['images']}
    assert paths == {str(path) for path in Path('data/val').glob('*/*')}
    assert {path.name for path in folder.iterdir()} == {*REPORT_FILES}
    titles = [chart['title'] for chart in content['charts']]
    assert titles == ['loss', 'accuracy (%)', 'learning rate']
    values = content['charts'][1]['lines'][0]['y']
    assert content['charts'][1]['chosen'] == 1 + max(range(2), key=lambda i: (values[i], i))
    page = (folder / 'index.html').read_text()
    assert '<b>bee' not in page
    assert '&lt;b&gt;bee' in page


def test_copies_in_other_splits_and_classes_are_found(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for i, (split, name) in enumerate(product(('train', 'val'), ('ape', 'bee'))):
        folder = Path('data', split, name)
        folder.mkdir(parents=True)
        for j in range(6):
            pixels = cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (48, 48))
            cv2.imwrite(str(folder / f'{i}{j}.png'), pixels)
    shutil.copy('data/train/ape/00.png', 'data/val/ape/copy.png')
    cv2.imwrite('data/val/bee/again.jpg', cv2.imread('data/val/ape/20.png'))
    write_config('small.py')
    torch.save(dict(state_dict=wrn.get_model('small.py').state_dict()), 'w.pth')
    options = dict(checkpoint='w.pth', epochs=1, lr=1e-4)
    done = wrn.finetune('data', 'small.py', **options, cfg_options={'model.head.num_classes': 2})
    content = json.loads((done.folder / 'report.json').read_text())
    found = [
        [(image['path'], image['split'], image['label']) for image in group['images']]
        for group in content['near_duplicates']
    ]
    assert found == [
        [('data/train/ape/00.png', 'train', 0), ('data/val/ape/copy.png', 'test', 0)],
        [('data/val/ape/20.png', 'test', 0), ('data/val/bee/again.jpg', 'test', 1)],
    ]
    caution = (
        '1 group of near-duplicates is in training and test, so the accuracy may be too high; '
    )
    assert sum(text.startswith(caution) for text in content['cautions']) == 1
    assert caplog.text.count(caution) == 1


def test_without_the_extra_the_figures_are_written(tmp_path, monkeypatch, report):
    import importlib.util

    find = importlib.util.find_spec
    gone = ('jinja2', 'pytorch_grad_cam', 'imagehash')
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name in gone else find(name)
    )
    wrn.test(NAME, report=str(tmp_path / 'report'), work_dir=str(tmp_path / 'work'))
    written = {path.name for path in (tmp_path / 'report').iterdir()}
    assert 'index.html' not in written
    assert {'report.json', 'classes.csv', 'confusion.png'} < written
    content = json.loads((tmp_path / 'report/report.json').read_text())
    assert content['galleries'] == report[0]['galleries']
    assert len(content['embedding']['images']) == 355
    assert any("pip install 'mmpretrain-wrn[report]'" in one for one in content['left_out'])


def test_averaged_weights_are_those_of_the_report(tmp_path, monkeypatch):
    """EMAHook puts the raw weights back after a test of the averaged ones."""
    monkeypatch.chdir(tmp_path)
    base = Path(wrn.get_model(NAME)._config.filename)
    hook = "custom_hooks = [dict(type='EMAHook', momentum=0.1, priority='ABOVE_NORMAL')]"
    Path('ema.py').write_text(f"_base_ = ['{base}']\n{hook}\n")
    wrn.train('ema.py', epochs=1, work_dir='run')
    with pytest.warns(AssumptionWarning, match='the averaged weights under state_dict'):
        wrn.test('ema.py', 'run/epoch_1.pth', report='report')
    averaged = read_checkpoint('run/epoch_1.pth')['state_dict']
    facts = json.loads(Path('report/report.json').read_text())['facts']
    plain = {key: value.contiguous() for key, value in averaged.items()}
    assert facts['SHA-256 of tensors'] == hash_tensors(plain)


def test_the_mean_of_several_views_has_a_report(tmp_path):
    folder = tmp_path / 'report'
    wrn.test(NAME, report=str(folder), work_dir=str(tmp_path / 'work'), tta=True)
    content = json.loads((folder / 'report.json').read_text())
    assert content['left_out'] == []
    assert 'averaged over the views' in content['facts']['preprocessing']
    assert 'from the last view' in content['embedding']['note']
    assert 'They are of one view' in (folder / 'index.html').read_text()


def test_an_exported_file_has_its_facts(tmp_path):
    file = tmp_path / 'model.onnx'
    wrn.export(NAME, 'onnx', out=str(file))
    folder = tmp_path / 'report'
    wrn.test(str(file), report=str(folder), work_dir=str(tmp_path / 'work'))
    facts = json.loads((folder / 'report.json').read_text())['facts']
    assert facts['preprocessing'].startswith('to 16x16 (bilinear, pillow); BGR; mean [127.5')
    assert facts['backend'] == 'the exported file, float32'


PART = "dict(type='CustomDataset', data_root='data', data_prefix='{}', pipeline=pipeline{})"
VAL = PART.format('val', '')
WRAPPERS = {
    'concat': (f"dict(type='ConcatDataset', datasets=[{PART.format('train', '')}, {VAL}])", 12),
    'repeat': (f"dict(type='RepeatDataset', times=2, dataset={VAL})", 12),
    'balanced': (f"dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset={VAL})", 6),
    'fold': (f"dict(type='KFoldDataset', num_splits=2, fold=1, test_mode=True, dataset={VAL})", 3),
    'subset': (PART.format('val', ', indices=[5, 0]'), 2),
}


@pytest.mark.parametrize('wrapper', WRAPPERS)
def test_datasets_in_other_datasets_have_a_report(tmp_path, monkeypatch, wrapper):
    """Each image is shown at its position in the outer dataset, with its own label."""
    monkeypatch.chdir(tmp_path)
    write_data('.', 2)
    dataset, number = WRAPPERS[wrapper]
    write_config('small.py', f"test_dataloader = dict(**loader, dataset={dataset},\n    "
                 "sampler=dict(type='DefaultSampler', shuffle=False))\n")  # fmt: skip
    torch.save(dict(state_dict=wrn.get_model('small.py').state_dict()), 'w.pth')
    wrn.test('small.py', 'w.pth', report='report')
    content = json.loads(Path('report/report.json').read_text())
    _, certain, _ = content['galleries']
    assert len(certain['images']) == number
    for image in certain['images']:
        assert Path(image['path']).parent.name == ['ape', 'bee', 'cat'][image['label']]
    both = {Path(image['path']).parts[-3] for image in certain['images']}
    assert both == ({'train', 'val'} if wrapper == 'concat' else {'val'})
    assert f'{number} images of 3 classes' in content['facts']['data']
    assert not [one for one in content['left_out'] if not one.startswith('embedding: there are')]
