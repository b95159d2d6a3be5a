"""`wrn finetune --head-only`: a linear probe on features that are computed once."""

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from terminal_run import run_in_terminal

import wrn
from wrn.checkpoints import ReadOptions, read_checkpoint
from wrn.config.config_file import read_own_config
from wrn.data.splitting import find_splits
from wrn.head_only import estimate_durations, feature_network
from wrn.head_only.feature_cache import FeatureCache
from wrn.head_only.feature_network import build_feature_network
from wrn.head_only.image_features import compute_features
from wrn.jobs.head_only_options import _WITHOUT_EFFECT
from wrn.jobs.run_options import apply_train_options
from wrn.training import make_finetune_config, use_mixed_precision
from wrn.zoo.resolve import resolve
from wrn_base.commands.finetune import ARGUMENTS
from wrn_base.errors import ImageReadError, RunStoppedError, WrnError
from wrn_base.options import TRAINING_SPEED_ARGUMENTS
from wrn_base.run_progress import RunProgress

DIGITS = 'wide-resnet16-2_1xb64_digits'
COMMAND = ('wrn', 'finetune', 'data', '--model', DIGITS, '--head-only')


def write_digits(root, number):
    """Digits in class folders, every sixth in a wrong one; no two of them are the same."""
    images, labels = load_digits(return_X_y=True)
    for label in range(10):
        for i, image in enumerate(images[labels == label][:number]):
            folder = root / f'is {(label + (i % 6 == 5)) % 10}'
            folder.mkdir(parents=True, exist_ok=True)
            pixels = (image.reshape(8, 8) * 255 / 16).round().astype(np.uint8)
            Image.fromarray(pixels).save(folder / f'{label}-{i}.png')


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with the images, and an empty cache."""
    monkeypatch.setenv('WRN_HOME', str(tmp_path / 'home'))
    monkeypatch.chdir(tmp_path)
    write_digits(tmp_path / 'data', 12)
    return tmp_path


class Counts(RunProgress):
    """The numbers of images whose features are known, as a run reports them."""

    def __init__(self, stop_after=None, signal=None):
        self.done, self._stop_after, self._signal = [], stop_after, signal

    def step(self, step):
        assert step.task == 'features'
        self.total = step.steps
        self.done.append(step.step)
        if self._stop_after and step.step >= self._stop_after:
            os.kill(os.getpid(), self._signal)


def only(paths):
    (path,) = paths
    return path


def accuracy_of(folder):
    return json.loads((folder / 'report' / 'report.json').read_text())['metrics']['accuracy/top1']


def make_network(data='data', model=DIGITS, **options):
    origin = resolve(model)
    cfg = make_finetune_config(find_splits(data), origin)
    apply_train_options(cfg, dict(work_dir='unused', **options))
    return cfg, build_feature_network(cfg, origin.get_config().filename, ReadOptions(), 'cpu')


@pytest.mark.slow
def test_the_file_and_the_report_are_those_of_fine_tuning(run, fails, folder, digits_weights):
    done = run(*COMMAND, cwd=folder)
    assert 'train: 100 images\n' in done.stderr
    assert 'test: the same images as val, which also select the regularization' in done.stderr
    assert re.search(
        r'head: regularization \S+, the best of 13; validation accuracy [\d.]+ %\n', done.stderr
    )
    assert 'mmengine' not in done.stdout + done.stderr
    results = folder / 'work_dirs' / 'data'
    weights = only(results.glob('data-*.pth'))
    assert re.fullmatch(r'data-[0-9a-f]{8}\.pth', weights.name)
    accuracy = accuracy_of(results)
    assert 60 < accuracy < 100  # pretrained on digits; a sixth has wrong labels
    assert {path.name for path in (results / 'report').iterdir()} == {
        'index.html', 'report.json', 'classes.csv', 'confusion.csv', 'confusion.png', 'curves.png',
        'calibration.png',
    }  # fmt: skip
    facts = json.loads((results / 'run' / 'head_only.json').read_text())
    best = only(t for t in facts['trials'] if t['strength'] == facts['best'])
    assert best['val_accuracy'] == pytest.approx(accuracy)

    before, after = (read_checkpoint(path)['state_dict'] for path in (digits_weights, weights))
    assert before.keys() == after.keys()
    for name in before:
        assert torch.equal(before[name], after[name]) != name.startswith('head.'), name

    # The report is from features; these go from the image files to predictions.
    tested = run('wrn', 'test', results / 'run' / 'data.py', weights, cwd=folder)
    assert re.search(rf' accuracy +{accuracy:.1f} % ', tested.stdout)
    images = [line.rsplit(' ', 1)[0] for line in (results / 'test.txt').read_text().splitlines()]
    predictions = wrn.inference_model(str(weights), [folder / 'data' / path for path in images])
    scores = [p['pred_scores'][int(path[3])] for p, path in zip(predictions, images, strict=True)]
    nll = json.loads((results / 'report' / 'report.json').read_text())['metrics']['calibration/nll']
    assert -np.log(scores).mean() == pytest.approx(nll, rel=1e-3)
    assert wrn.get_model(weights, True)._dataset_meta['classes'] == [f'is {i}' for i in range(10)]

    again = run(*COMMAND, '--resume', cwd=folder)
    assert f'nothing left to do: {weights.relative_to(folder)} exists' in again.stderr
    assert f'{weights.relative_to(folder)}: exists; add --overwrite' in fails(*COMMAND[1:])
    error = fails(*COMMAND[1:-1], '--resume')
    assert 'the run to resume had different --head-only or --views' in error

    # The same metadata as after an epoch of all layers, apart from what that run sets.
    all_layers = (*COMMAND[:-1], '--epochs', 1, '--work-dir', 'all')
    run(*all_layers, cwd=folder)
    metas = [
        torch.load(path)['meta'] for path in (weights, only((folder / 'all').glob('data-*.pth')))
    ]
    for meta in metas:
        meta.pop('sha256_of_tensors')
    configs = [read_own_config(meta).to_dict() for meta in metas]
    assert configs[0] == configs[1]
    assert metas[0] | dict(cfg='') == metas[1] | dict(cfg='')


def test_its_time_is_compared_with_that_of_all_layers(folder, monkeypatch, caplog):
    monkeypatch.chdir(folder)
    monkeypatch.setattr('wrn.jobs.finetune.run', lambda *_: None)  # the training
    with caplog.at_level(logging.INFO, 'wrn'):
        wrn.finetune('data', DIGITS, epochs=1)
    text = r'fine-tuning 1 epoch takes about \d+ s on this CPU; --head-only about \d+ s\n'
    assert re.search(text, caplog.text)


def test_terminal(folder):
    seen = run_in_terminal(COMMAND[1:], 80, folder)
    assert seen.code == 0
    assert seen.log_lines == seen.overlong == []
    assert max(map(len, seen.lines)) <= 80
    bars = [line for line in seen.bars if 'features of image' in line]
    assert re.search('features of image +0/120$', bars[0])
    assert 'features of image 120/120  ' in bars[-1]
    assert 'fitting the head' in ''.join(seen.drawn)
    assert re.search(r'\nfeatures of 120 images in 0:\d\d\nwrn: head: regulari', seen.text)
    assert 'use it with: wrn predict IMAGE --model work_dirs/data/data-' in seen.text


@pytest.mark.ci
@pytest.mark.slow
def test_features_are_not_computed_again(folder):
    first = wrn.finetune(
        'data', DIGITS, head_only=True, work_dir='a', progress=(counts := Counts())
    )
    assert counts.done[0] == 0
    assert counts.done[-1] == counts.total == 120
    shutil.copytree('data', 'copy')  # other paths and other splits of the same content
    options = dict(head_only=True, progress=(counts := Counts()))
    wrn.finetune('copy', DIGITS, seed=3, work_dir='b', **options)
    assert counts.done == [120]
    again = wrn.finetune('data', DIGITS, work_dir='c', **options)
    assert again.weights.name == first.weights.name  # it has the hash of the file
    Image.new('L', (8, 8), 77).save('data/is 0/0-0.png')
    counts.done.clear()
    for name in ('last_checkpoint', 'epoch_1.pth'):  # of a run of all layers
        folder.joinpath('a', 'run', name).write_text('a/run/epoch_1.pth')
    with pytest.raises(WrnError, match=r'a/run: exists; add --overwrite to replace it, --resume'):
        wrn.finetune('data', DIGITS, work_dir='a', **options)
    done = wrn.finetune('data', DIGITS, work_dir='a', overwrite=True, **options)
    assert counts.done[0] == 119
    assert only(folder.glob('a/*.pth')) == folder / done.weights != folder / first.weights
    assert {path.name for path in folder.glob('a/run/*')} == {
        '.finetune', 'data.py', 'head_only.json',
    }  # fmt: skip


@pytest.mark.parametrize(
    ('number', 'error', 'message'),
    [
        (signal.SIGINT, KeyboardInterrupt, 'stopped after 64 of 120 images; run the same command'),
        (
            signal.SIGTERM,
            RunStoppedError,
            'stopped by SIGTERM; run the same command again to resume',
        ),
    ],
    ids=['SIGINT', 'SIGTERM'],
)
def test_a_stopped_run_continues_where_it_stood(folder, number, error, message):
    with pytest.raises(error, match=message):
        wrn.finetune('data', DIGITS, head_only=True, progress=Counts(64, number))
    options = dict(head_only=True, progress=(counts := Counts()))
    assert wrn.finetune('data', DIGITS, resume='auto', **options).weights.exists()
    assert counts.done[0] == 64


@pytest.mark.parametrize(
    'phase',
    [
        'loading the weights', 'reading 120 images', 'preparing the network', 'fitting the head',
        'writing the results',
    ],
)  # fmt: skip
def test_ctrl_c_says_what_was_being_done(folder, phase):
    class Stop(RunProgress):
        def phase(self, name):
            if name == phase:
                signal.raise_signal(signal.SIGINT)

    text = f'stopped while {phase}; run the same command again to resume'
    with pytest.raises(KeyboardInterrupt, match=text):
        wrn.finetune('data', DIGITS, head_only=True, progress=Stop())
    assert wrn.finetune('data', DIGITS, head_only=True).weights.exists()


@pytest.mark.slow
def test_a_killed_run_continues_where_it_stood(folder):
    code = (
        'import os, signal, wrn\n'
        'from wrn.head_only import image_features\n'
        'from wrn_base.run_progress import RunProgress\n'
        'image_features._BLOCK_SECONDS = 0.0\n'
        'class Kill(RunProgress):\n'
        '    def step(self, step):\n'
        '        if step.step >= 64: os.kill(os.getpid(), signal.SIGKILL)\n'
        f'wrn.finetune("data", {DIGITS!r}, head_only=True, progress=Kill())\n'
    )
    done = subprocess.run([sys.executable, '-c', code], stderr=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGKILL
    options = dict(head_only=True, progress=(counts := Counts()))
    assert wrn.finetune('data', DIGITS, **options).weights.exists()
    assert counts.done[0] == 64


def test_views(folder):
    """Random views depend on the seed, and are those of the training pipeline."""
    cfg, network = make_network()
    path = 'data/is 3/3-0.png'
    images = [(path, view) for view in range(4)]
    first = compute_features(network, cfg, images, seed=1)
    shutil.rmtree('home')
    assert np.array_equal(first, compute_features(network, cfg, images[::-1], seed=1)[::-1])
    assert np.array_equal(first, compute_features(network, cfg, images, seed=1))
    other = compute_features(network, cfg, images, seed=2)
    assert np.array_equal(first[0], other[0])
    for view in (1, 2, 3):
        assert not np.array_equal(first[view], other[view])
        assert not np.array_equal(first[view], first[view - 1])
    expected = wrn.extract_features(DIGITS, path, ['layer3'], pool=True)['layer3'][0]
    np.testing.assert_allclose(first[0], expected, rtol=0, atol=1e-5)

    done = wrn.finetune('data', DIGITS, head_only=True, views=3, progress=(counts := Counts()))
    assert counts.done[-1] == counts.total == 320  # 100 images to train with, 20 to validate
    assert done.report.metrics['accuracy/top1'] > 50
    # A published file has no random steps.
    with pytest.raises(WrnError, match='--views 2: the model has no random steps for training'):
        wrn.finetune('data', str(done.weights), head_only=True, views=2, work_dir='b')
    assert not (folder / 'b').exists() or not [*(folder / 'b').iterdir()]


def test_many_views_take_few_blocks(folder, monkeypatch):
    """Blocks are written, and old ones looked for, as often for 30 views as for one."""
    trims = []
    make_room = FeatureCache._make_room
    monkeypatch.setattr(
        FeatureCache, '_make_room', lambda *args: trims.append(0) or make_room(*args)
    )
    cfg, network = make_network()
    images = [(f'data/is 3/3-{i}.png', view) for i in range(2) for view in range(31)]
    first = compute_features(network, cfg, images, seed=1)
    assert len([*folder.glob('home/features/*/block-*')]) == 2  # of the test, and of all others
    assert len(trims) == 4
    assert len({row.tobytes() for row in first}) > 31  # each view has its own
    counts = Counts()
    again = compute_features(network, cfg, images, seed=1, progress=counts)
    assert counts.done == [62]
    assert np.array_equal(first, again)


@pytest.mark.ci
def test_unreadable_images(run, fails, folder):
    splits = find_splits('data')
    for split in ('train', 'val'):
        folder.joinpath('data', splits.images[split][0][0]).write_bytes(b'')
    error = fails(*COMMAND[1:])
    assert 'the image cannot be read (' in error
    assert splits.images['val'][0][0] in error
    assert '; 1 other cannot either; remove or replace them, or add --skip-unreadable; ' in error
    done = run(*COMMAND, '--skip-unreadable', '--views', 2, cwd=folder)
    left_out = f'left out of validation and test, since unreadable: {splits.images["val"][0][0]}\n'
    assert left_out in done.stderr
    path = f'data/{splits.images["train"][0][0]}'
    assert f'skipped 1 unreadable image, such as {path}\n' in done.stderr
    for path, label in splits.images['train']:
        if label == 4:
            folder.joinpath('data', path).write_bytes(b'')
    error = fails(*COMMAND[1:], '--skip-unreadable', '--work-dir', 'b')
    assert 'data: no training image of is 4 can be read' in error
    network = make_network()
    with pytest.raises(ImageReadError):
        compute_features(*network[::-1], [(path, 0)])


CONFIG = """
_base_ = ['{root}/configs/wrn/wide-resnet18-1_8xb32_in1k.py']
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadRandomResizedCrop', scale=32), dict(type='PackInputs')]))
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadImageFromFile'), dict(type='ResizeEdge', scale=36, edge='short'),
    dict(type='CenterCrop', crop_size=32), dict(type='PackInputs')]))
"""


@pytest.mark.ci
def test_a_network_for_imagenet(run, tmp_path, make_image_folder, monkeypatch, checkout):
    """Weights that are wrapped, with a normalization that the caller gives."""
    monkeypatch.setenv('WRN_HOME', str(tmp_path / 'home'))
    monkeypatch.chdir(tmp_path)
    make_image_folder(train=10, val=6)  # the hue is the class
    (tmp_path / 'config.py').write_text(CONFIG.format(root=checkout))
    torch.manual_seed(0)
    weights = wrn.get_model('config.py').state_dict()
    others = {key: value * 0 for key, value in weights.items()}
    averaged = {f'teacher.{key}': value for key, value in weights.items()}
    averaged |= {f'student.{key}': value for key, value in others.items()}
    torch.save(dict(state_dict=others, model_ema=averaged), 'weights.pth')
    words = ('wrn', 'finetune', 'imagenet', '--model', 'config.py', '--checkpoint', 'weights.pth')
    more = ('--key', 'model_ema', '--prefix', 'teacher.', '--mean', 100, '--std', 50, '--views', 2)
    run(*words, *more, '--head-only', cwd=tmp_path)
    results = tmp_path / 'work_dirs' / 'imagenet'
    published = only(results.glob('imagenet-*.pth'))
    assert accuracy_of(results) > 90
    model = wrn.get_model(published, True)
    assert model.data_preprocessor.std.flatten().tolist() == [50, 50, 50]
    assert torch.equal(model.backbone.conv1.weight, weights['backbone.conv1.weight'])
    tested = run('wrn', 'test', results / 'run' / 'imagenet.py', published, cwd=tmp_path)
    assert re.search(rf' accuracy +{accuracy_of(results):.1f} % ', tested.stdout)


@pytest.mark.ci
@pytest.mark.slow
def test_another_backend_has_the_same_features(folder, caplog, monkeypatch):
    cfg, network = make_network()
    images = [(f'data/is {label}/{label}-0.png', 0) for label in range(10)]
    with caplog.at_level(logging.INFO, 'wrn'):
        eager = compute_features(network, cfg, images)
        assert 'features: backend eager; trying others takes longer for 10 images' in caplog.text
        shutil.rmtree('home')
        monkeypatch.setattr(feature_network, '_WORTH_TRYING', 0.0)
        fast = compute_features(network, cfg, images)
    assert 'features: about 1 s for 10 images in eager; trying the other backends' in caplog.text
    assert re.search('backend (ncnn|openvino|onnxruntime), float32', caplog.text)
    assert not np.array_equal(eager, fast)
    np.testing.assert_allclose(fast, eager, rtol=0, atol=1e-4 * np.abs(eager).max())
    # Backends take images of one size; those of another size are left to eager.
    for loader in ('test_dataloader', 'train_dataloader'):
        steps = cfg[loader].dataset.pipeline
        cfg[loader].dataset.pipeline = [step for step in steps if 'Resize' not in step.type]
        cfg[loader].dataset.pipeline = [
            step for step in cfg[loader].dataset.pipeline if step.type != 'RandomCrop'
        ]
    small = compute_features(network, cfg, images)
    assert np.array_equal(small, compute_features(network, cfg, images))
    assert not np.allclose(small, eager, atol=1e-2)


def test_key_of_the_features(folder):
    cfg, network = make_network()
    describe = feature_network.describe_features
    key = describe(network, cfg, ())
    assert re.fullmatch('[0-9a-f]{32}', key)
    assert key == describe(*make_network(channels_last=False)[::-1], ())
    others = [describe(network, cfg, more) for more in ((0, 1), (0, 2), (1, 1))]
    network.data_preprocessor.mean += 1
    others.append(describe(network, cfg, ()))
    network.data_preprocessor.mean -= 1
    bias = next(network.parameters())
    bias.data.view(-1)[0] += 1e-3
    others.append(describe(network, cfg, ()))
    cfg, network = make_network()
    network._config.model.backbone.act_cfg = dict(type='SiLU')
    others.append(describe(network, cfg, ()))
    cfg, network = make_network()
    cfg.test_dataloader.dataset.pipeline[1].scale = (17, 17)
    others.append(describe(network, cfg, ()))
    assert len({key, *others}) == 1 + len(others)
    assert describe(*make_network()[::-1], ()) == key


@pytest.mark.ci
def test_class_weights_of_the_loss(folder):
    """They are in the loss of the config, as for all layers."""
    weights = {'model.head.loss.class_weight': [1.0] * 9 + [50.0]}
    scores = []
    for name, settings in (('a', {}), ('b', weights)):
        done = wrn.finetune('data', DIGITS, head_only=True, work_dir=name, cfg_options=settings)
        others = [f'data/is {label}/{label}-0.png' for label in range(9)]
        found = wrn.inference_model(str(done.weights), others)
        scores.append(np.mean([result['pred_scores'][9] for result in found]))
    assert scores[1] > scores[0]
    loss = read_own_config(torch.load(done.weights)['meta']).model.head.loss
    assert loss.class_weight[-1] == 50


def test_features_that_are_not_finite(fails, folder):
    weights = wrn.get_model(DIGITS, True).state_dict()
    weights['backbone.norm.weight'] = torch.full((128,), 3e38)
    torch.save(weights, 'w.pth')
    error = fails(*COMMAND[1:], '--checkpoint', 'w.pth')
    assert 'w.pth: the network computes NaN or infinity from the images; check these' in error


def test_estimate(folder):
    splits = find_splits('data')
    cfg = make_finetune_config(splits, resolve(DIGITS))
    for _ in range(2):
        estimate = estimate_durations(cfg, splits)
        assert min(estimate.all_layers, estimate.head_only) > 0
        use_mixed_precision(cfg)
    for path, _ in splits.images['train'][:4]:
        folder.joinpath('data', path).write_bytes(b'')
    assert estimate_durations(cfg, splits) is None


REFUSED = {
    ('--epochs', '5'): '--epochs 5: has no effect with --head-only',
    ('--freeze', '2'): '--freeze 2: --head-only freezes all layers before the head',
    ('--amp',): '--amp: has no effect with --head-only',
    ('--auto-scale-lr',): '--auto-scale-lr: has no effect with --head-only',
    ('--tensorboard',): '--tensorboard: has no effect',
    ('--no-fused',): '--no-fused: has no effect',
    ('--compile',): '--compile: has no effect',
    ('--no-validate',): '--no-validate: --head-only selects its regularization in validation',
    ('--launcher', 'pytorch'): '--launcher pytorch: --head-only runs in one process',
    ('--resume', 'a.pth'): '--resume a.pth: --head-only has no checkpoints',
    ('--views', '0'): '--views 0: must be at least 1',
    ('--cfg-options', 'optim_wrapper.optimizer.lr=1'): (
        '--cfg-options optim_wrapper.optimizer.lr: has no effect with --head-only'
    ),
    ('--cfg-options', 'model.head.loss.type=LabelSmoothLoss'): (
        "model.head.loss={'type': 'LabelSmoothLoss', 'loss_weight': 1.0}: --head-only minimizes"
    ),
}


@pytest.mark.parametrize('words', REFUSED, ids=' '.join)
def test_refused_options(words, fails, folder):
    error = fails(*COMMAND[1:], *words)
    assert REFUSED[words] in error
    assert not [*folder.glob('work_dirs/*/*')]


def test_the_help_names_the_options_that_are_refused():
    stated = ARGUMENTS['--head-only']['help'].split()
    options = {f'--{name.replace("_", "-")}' for name in _WITHOUT_EFFECT}
    options |= {words[0] for words in REFUSED} - {'--resume', '--views', '--cfg-options'}
    speed = {*TRAINING_SPEED_ARGUMENTS} | {f'--no-{name[2:]}' for name in TRAINING_SPEED_ARGUMENTS}
    missing = options - speed - {word.strip(',') for word in stated}
    assert not missing


def test_views_without_head_only(fails, folder):
    assert '--views 2: is only for --head-only' in fails(*COMMAND[1:-1], '--views', 2)
