"""`wrn overfit` detects a set-up that cannot learn; `wrn plot` draws the log of a run."""

import json
import os
import re

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

import wrn
from wrn import training
from wrn.training.evaluation.curve_charts import make_curves
from wrn.training.evaluation.curve_plots import draw_curves
from wrn.training.evaluation.curves import read_log
from wrn_base import model_index
from wrn_base.cli import main

DIGITS = 'configs/wrn/wide-resnet16-2_1xb64_digits.py'
SMALL = ['model.backbone.widen_factor=1', 'model.head.in_channels=64', 'model.backbone.depth=10']


def test_a_set_up_that_learns(capsys):
    main(['overfit', DIGITS, '--cfg-options', *SMALL])
    out = capsys.readouterr().out
    found = re.search(
        r'(\d+) steps on 16 images: loss ([\d.]+) to ([\d.]+); correct predictions: 16 of 16',
        out,
    )
    assert int(found[1]) < 100
    assert float(found[2]) > 1.5 * float(found[3])  # it ends when all predictions are correct
    assert out.endswith('the setup can learn: it overfits the batch\n')


@pytest.fixture
def child(tmp_path):
    """A function that writes a config derived from that of the digits."""

    def child(text):
        path = tmp_path / 'child.py'
        path.write_text(f"_base_ = ['{model_index.root()}/{DIGITS}']\n{text}\n")
        return path

    return child


BLACK = [dict(type='Brightness', magnitude=-1.0, prob=1.0, random_negative_prob=0.0)]


@pytest.mark.parametrize(
    'mistake',
    [
        'optim_wrapper = dict(optimizer=dict(lr=1e-7))',
        'model = dict(backbone=dict(frozen_stages=3))',
        f'train_dataloader = dict(dataset=dict(pipeline={[*BLACK, dict(type="PackInputs")]}))',
    ],
)
def test_a_set_up_that_does_not_learn(fails, capsys, child, mistake):
    message = fails('overfit', child(mistake), '--steps', 30, '--cfg-options', *SMALL)
    assert 'does not overfit 16 images in 30 steps; check the labels' in message
    assert '30 steps on 16 images' in capsys.readouterr().out


def test_a_diverging_loss(fails):
    option = 'optim_wrapper.optimizer.lr=1e30'
    message = fails('overfit', DIGITS, '--cfg-options', *SMALL, option)
    assert re.search(r'the loss is (nan|inf) in step \d+; lower the learning rate', message)


def test_two_runs_in_the_same_second(fails, monkeypatch):
    """mmengine names runs after the time in seconds; the folder of the first is removed."""
    monkeypatch.setattr('time.strftime', lambda *_: '20260101_000000')
    for _ in range(2):
        assert 'does not overfit' in fails('overfit', DIGITS, '--steps', 1, '--cfg-options', *SMALL)


def test_an_optimizer_without_a_learning_rate_and_fewer_images_than_a_batch(capsys, child):
    path = child(
        "optim_wrapper = dict(optimizer=dict(_delete_=True, type='Adam'))\n"
        'train_dataloader = dict(drop_last=True, dataset=dict(indices=12))'
    )
    main(['overfit', str(path), '--cfg-options', *SMALL])
    assert 'steps on 12 images' in capsys.readouterr().out


def test_mixup_and_dropout_are_disabled(capsys, child):
    """With mixed labels and dropped features, the accuracy would not reach 100 %."""
    augments = "dict(augments=[dict(type='Mixup', alpha=1.0)])"
    path = child(f'model = dict(train_cfg={augments}, backbone=dict(drop_rate=0.3))')
    main(['overfit', str(path), '--cfg-options', *SMALL])
    assert 'the setup can learn' in capsys.readouterr().out


@pytest.mark.parametrize(
    'name',
    [
        'wide-resnet50_8xb256-rsb-a1-600e_in1k',
        'wide-resnet50_8xb256-rsb-a2-300e_in1k',
        'wide-resnet50_8xb256-rsb-a3-100e_in1k',
        'wide-resnet50_8xb128-torchvision-v2-600e_in1k',
        'wide-resnet34-1_8xb32_in1k',
        'wide-resnet28-10_8xb16-modern-200e_cifar10',
        'wide-resnet28-10-dropout_8xb16_cifar10',
        'wide-resnet16-8-dropout_8xb16_svhn',
    ],
)
def test_every_kind_of_recipe_learns(name, tmp_path, make_image_folder):
    """Binary and smoothed losses, LAMB, bfloat16, repeated augmentation, mixup, CutMix, dropout."""
    data = make_image_folder(classes=3, train=6, val=1)
    cifar = 'in1k' not in name
    small = 'dict(depth=10, widen_factor=1)' if cifar else 'dict(depth=18, widen_factor=1)'
    channels = 64 if cifar else 512
    load = "dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 32))"
    path = tmp_path / 'child.py'
    path.write_text(
        f"_base_ = ['{model_index.root()}/configs/wrn/{name}.py']\n"
        f'model = dict(backbone={small}, head=dict(in_channels={channels}, num_classes=3, topk=1))\n'
        'data_preprocessor = dict(num_classes=3)\n'
        f"train_dataloader = dict(dataset=dict(_delete_=True, type='CustomDataset',\n"
        f"    data_root='{data}', data_prefix='train',\n"
        f"    pipeline=[{load}, dict(type='PackInputs')]))\n"
    )
    config = Config.fromfile(path)
    config.update(work_dir=str(tmp_path), launcher='none', log_level='ERROR')
    config.randomness = dict(seed=0)
    result = training.overfit_batch(config)
    assert result.total == 16
    assert np.isfinite(result.losses).all()
    assert result.learns, result


def test_mistakes_in_overfit(fails):
    assert '--batch-size 1: must be at least 2' in fails('overfit', DIGITS, '--batch-size', 1)
    assert '--steps 0: must be at least 1' in fails('overfit', DIGITS, '--steps', 0)
    for option, message in (
        ('model.head.num_classes=50', 'has 10 classes, but the head of the model has 50'),
        ('optim_wrapper.optimizer.type=SDG', "unknown optimizer type 'SDG'; did you mean 'SGD'"),
        ('train_dataloader.dataset.indices=1', 'the batch of 1 has images of one class only'),
    ):
        assert message in fails('overfit', DIGITS, '--cfg-options', *SMALL, option)
    assert "unknown model type 'WideResNett'" in fails(
        'overfit', DIGITS, '--cfg-options', 'model.backbone.type=WideResNett'
    )
    assert 'no such config' in fails('overfit', 'none.py')
    with pytest.raises(SystemExit, match='2'):
        main(['overfit', DIGITS, '--cfg-options', 'model=dict(a=1)'])


@pytest.fixture
def run_folder(tmp_path):
    """A run of four epochs of 23 iterations, interrupted in the third and resumed at its start."""
    logs = {'20260101_000000': (1, 2, 3), '20260101_000100': (3, 4)}
    for name, epochs in logs.items():
        folder = tmp_path / 'run' / name / 'vis_data'
        folder.mkdir(parents=True)
        lines = []
        for epoch in epochs:
            for i in (10, 20):
                step = (epoch - 1) * 23 + i
                lines.append(dict(loss=1 / step, lr=0.1 / epoch, epoch=epoch, iter=step, step=step))
            lines.append({'accuracy/top1': 90 + epoch, 'step': epoch})
        (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)) + '\n')
    return tmp_path / 'run'


def test_plot_draws_the_logged_values(run_folder):
    figure = draw_curves([make_curves('run', read_log(str(run_folder)))])
    loss, accuracy, rate = (axes.lines[0] for axes in figure.axes)
    steps = np.array([10, 20, 33, 43, 56, 66, 79, 89])
    np.testing.assert_allclose(loss.get_xdata(), steps / 23)
    np.testing.assert_allclose(loss.get_ydata(), 1 / steps)
    np.testing.assert_array_equal(accuracy.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_array_equal(accuracy.get_ydata(), [91, 92, 93, 94])
    np.testing.assert_allclose(rate.get_ydata(), 0.1 / np.repeat([1, 2, 3, 4], 2))
    assert read_log(str(run_folder.parent)) == read_log(str(run_folder))  # that of a fine-tuning


@pytest.mark.parametrize(('epochs', 'steps', 'interval'), [(2, 39, 10), (3, 391, 100), (2, 9, 9)])
def test_the_length_of_an_epoch_follows_from_a_sparse_log(epochs, steps, interval):
    lines = [
        dict(loss=1.0, lr=0.1, epoch=epoch + 1, iter=epoch * steps + i)
        for epoch in range(epochs)
        for i in range(interval, steps + 1, interval)
    ]
    (loss,) = draw_curves([make_curves('run', lines)]).axes[0].lines
    np.testing.assert_allclose(loss.get_xdata(), [line['iter'] / steps for line in lines])


@pytest.mark.parametrize('suffix', ['.png', '.svg', '.pdf'])
def test_plot_writes_a_figure(run_folder, tmp_path, suffix, capsys):
    out = tmp_path / f'curves{suffix}'
    log = next(run_folder.glob('*/vis_data/scalars.json'))
    main(['plot', str(run_folder), str(log), '--out', str(out)])
    assert capsys.readouterr().out == f'wrote {out}\n'
    if suffix == '.png':
        pixels = np.asarray(Image.open(out).convert('L'))
        assert pixels.min() < 50 < pixels.max()
    else:
        assert out.stat().st_size > 5000


def test_mistakes_in_plot(fails, run_folder, tmp_path):
    (tmp_path / 'empty').mkdir()
    assert 'has no training log' in fails('plot', tmp_path / 'empty')
    assert 'none: cannot be read as a training log' in fails('plot', tmp_path / 'none')
    os.mkfifo(tmp_path / 'pipe.json')
    assert 'training log (not a file, but a pipe' in fails('plot', tmp_path / 'pipe.json')
    (tmp_path / 'bad.json').write_text('{"loss": 1')
    assert 'bad.json: cannot be read as a training log' in fails('plot', tmp_path / 'bad.json')
    for line in (
        '5',
        '{"loss": 1}',
        '{"loss": 1, "iter": 1, "lr": 1, "epoch": 0}',
        '{"loss": 1, "iter": "a", "lr": 1, "epoch": 1}',
        '{"loss": 1, "iter": 1, "lr": 1, "epoch": "b"}',
        '{"loss": 1, "iter": 1, "lr": 1, "epoch": 1}\n{"accuracy/top1": 9}',
    ):
        (tmp_path / 'bad.json').write_text(line)
        assert re.search(
            'bad.json: (has no training log|not the log of a run)',
            fails('plot', tmp_path / 'bad.json'),
        )
    out = tmp_path / 'curves.jpg'
    assert 'plots are written as .png, .svg, .pdf' in fails('plot', run_folder, '--out', out)
    error = fails('plot', run_folder, '--out', '/dev/null/curves.png')
    assert 'cannot be written (Not a directory)' in error


def test_images_are_rgb_where_the_dataset_yields_pixels(tmp_path):
    """An image file is preprocessed like the RGB pixels of CIFAR."""
    from wrn.data.images import read_image
    from wrn.inference import Predictor

    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'x.png')
    seen = []
    for name in ('wide-resnet16-8_8xb16_cifar10', 'wide-resnet18-1_8xb32_in1k'):
        predictor = Predictor(wrn.get_model(name))
        seen.append(predictor.pipeline(read_image(tmp_path / 'x.png')))
    assert np.array_equal(seen[0], pixels)
    assert seen[1].shape == (224, 224, 3)
    flat = Image.new('RGB', (40, 40), (200, 100, 50))
    for name in ('wide-resnet16-8_8xb16_cifar10', 'wide-resnet18-1_8xb32_in1k'):
        model = wrn.get_model(name)
        ((inputs,), _) = next(Predictor(model).batches([flat]))
        mean, std = (getattr(model.data_preprocessor, k).flatten() for k in ('mean', 'std'))
        normal = inputs[0, :, 0, 0]
        expected = (np.array([200, 100, 50]) - mean.numpy()) / std.numpy()
        np.testing.assert_allclose(normal.numpy(), expected, rtol=1e-5)
