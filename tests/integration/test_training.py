"""Train, kill, resume and test, with our commands and with mmpretrain's tools."""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from commands import wait_for
from PIL import Image
from timm.data import ImageNetInfo

import wrn
from wrn.checkpoints import read_checkpoint
from wrn_base import model_index

DIGITS = 'configs/wrn/wide-resnet16-2_1xb64_digits.py'
SHORT = (
    '--cfg-options',
    'train_cfg.max_epochs=3',
    'train_cfg.val_interval=1',
    'train_dataloader.dataset.indices=400',
    'param_scheduler.milestones=[2]',
)

pytestmark = pytest.mark.slow


def read_log(work_dir):
    """Return the log of the last run in a work folder."""
    return max(work_dir.glob('*/*.log'), key=os.path.getmtime).read_text()


def top1(work_dir):
    return float(re.findall(r'accuracy/top1: ([\d.]+)', read_log(work_dir))[-1])


@pytest.fixture
def child_config(tmp_path, make_image_folder):
    """Write a user's config, which adapts ours to a folder of images with three classes."""
    root = make_image_folder()
    path = tmp_path / 'mine.py'
    path.write_text(f"""
_base_ = ['{model_index.root()}/configs/wrn/wide-resnet50_8xb32_in1k.py']
model = dict(
    backbone=dict(depth=18, base_channels=8, stem_channels=16),
    head=dict(num_classes=3, in_channels=128, topk=(1,)),
)
data_preprocessor = dict(num_classes=3)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=64, backend='pillow'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=72, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=64),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=8, num_workers=1,
    dataset=dict(_delete_=True, type='CustomDataset', data_root='{root}', data_prefix='train',
                 pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=8, num_workers=0,
    dataset=dict(_delete_=True, type='CustomDataset', data_root='{root}', data_prefix='val',
                 pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(topk=(1,))
test_evaluator = val_evaluator
optim_wrapper = dict(optimizer=dict(lr=0.02))
param_scheduler = dict(milestones=[8])
train_cfg = dict(max_epochs=10, val_interval=10)
default_hooks = dict(checkpoint=dict(interval=10))
randomness = dict(seed=0)
""")
    return path


@pytest.mark.ci
def test_kill_resume_and_test_on_digits(run, tmp_path):
    work_dir = tmp_path / 'run'
    command = [sys.executable, '-m', 'wrn', 'train', DIGITS, '--work-dir', str(work_dir), *SHORT]
    command += ['default_hooks.checkpoint.interval=1']
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for((work_dir / 'last_checkpoint').exists)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = {path.name for path in work_dir.glob('epoch_*.pth')}
    assert 'epoch_1.pth' in done
    assert 'epoch_3.pth' not in done

    result = run(*command, '--resume')
    assert 'wrn: resuming from ' in result.stderr
    assert 'epoch 3/3' in result.stderr
    assert ' - epoch 1/3' not in read_log(work_dir)  # but its missing validation may be done
    last = work_dir / 'epoch_3.pth'
    checkpoint = read_checkpoint(last)
    assert checkpoint['meta']['epoch'] == 3
    assert checkpoint['message_hub']['log_scalars']['train/loss'].max_length == 50_000

    accuracy = top1(work_dir)
    run('wrn', 'test', DIGITS, last, '--work-dir', work_dir)
    assert top1(work_dir) == pytest.approx(accuracy, abs=1e-3)
    # From a named checkpoint too, with one more epoch, so that there is something to train.
    again = run(*command, 'train_cfg.max_epochs=4', '--resume', last)
    assert f'wrn: resuming from {last}, after epoch 3, ' in again.stderr
    assert (work_dir / 'epoch_4.pth').exists()


@pytest.mark.parametrize(
    'resume',
    [pytest.param(True, marks=pytest.mark.ci, id='named'), pytest.param(False, id='latest')],
)
def test_text_in_a_checkpoint_is_not_run_on_resume(run, tmp_path, resume):
    work_dir = tmp_path / 'run'
    command = ['wrn', 'train', DIGITS, '--work-dir', work_dir, *SHORT]
    command += ['default_hooks.checkpoint.interval=1', 'train_dataloader.num_workers=0']
    run(*command, 'train_cfg.max_epochs=1')
    path = work_dir / 'epoch_1.pth'
    checkpoint = torch.load(path, weights_only=False)
    ran = tmp_path / 'ran'
    checkpoint['meta']['config'] = f"a = __import__('os').system('touch {ran}')"
    torch.save(checkpoint, path)
    run(*command, 'train_cfg.max_epochs=2', '--resume', *([path] if resume else []))
    assert (work_dir / 'epoch_2.pth').exists()
    assert not ran.exists()


def test_the_published_accuracy_is_reproduced(run, tmp_path):
    out = tmp_path / 'metrics.json'
    run(
        'wrn',
        'test',
        'wide-resnet16-2_1xb64_digits',
        '--out',
        out,
        '--out-item',
        'metrics',
        cwd=tmp_path,
    )
    metrics = json.loads(out.read_text())
    published = model_index.models()['wide-resnet16-2_1xb64_digits'].results[0].metrics
    assert metrics['accuracy/top1'] == pytest.approx(published['Top 1 Accuracy'], abs=0.01)
    assert metrics['accuracy/top5'] == pytest.approx(published['Top 5 Accuracy'], abs=0.01)


def test_a_folder_of_jpegs_with_a_derived_config(run, tmp_path, child_config):
    work_dir = tmp_path / 'run'
    trained = run('wrn', 'train', child_config, '--work-dir', work_dir)
    checkpoint = work_dir / 'epoch_10.pth'
    accuracy = top1(work_dir)
    assert accuracy > 90  # the classes are hues
    assert 'pin_memory' not in trained.stderr
    # Predictions agree with the test, and class names with the folders.
    out = tmp_path / 'pred.pkl'
    run('wrn', 'test', child_config, checkpoint, '--work-dir', work_dir, '--out', out)
    assert top1(work_dir) == accuracy
    predictions = pickle.loads(out.read_bytes())
    model = wrn.get_model(child_config, pretrained=checkpoint)
    assert list(model._dataset_meta['classes']) == ['class_0', 'class_1', 'class_2']
    results = wrn.inference_model(model, tmp_path / 'imagenet' / 'val', batch_size=5)
    assert len(results) == len(predictions) == 12
    for result, prediction in zip(results, predictions, strict=True):
        torch.testing.assert_close(
            torch.from_numpy(result['pred_scores']), prediction['pred_score'], rtol=1e-4, atol=1e-5
        )
    assert all(r['pred_class'] == r['img_path'].split('/')[-2] for r in results) == (
        accuracy == 100
    )


@pytest.mark.slow
@pytest.mark.ci
def test_the_documented_config_for_a_folder_of_images(run, tmp_path, checkout, make_image_folder):
    """Five lines on top of configs/_base_/finetune.py, with weights that are already local."""
    make_image_folder(name='pets', train=4, val=2)
    text = (checkout / 'docs' / 'finetuning.md').read_text()
    (recipe,) = re.findall(r'```py\n(_base_.*?)```', text, re.DOTALL)
    assert len(recipe.splitlines()) == 5
    torch.save(wrn.get_model('wide-resnet50').state_dict(), tmp_path / 'WEIGHTS.pth')
    (tmp_path / 'pets.py').write_text(recipe.replace('PATH', str(model_index.root())))
    options = ['load_from=WEIGHTS.pth', 'train_cfg.max_epochs=1', 'train_dataloader.num_workers=0']
    trained = run('wrn', 'train', 'pets.py', '--cfg-options', *options, cwd=tmp_path)
    assert 'the head is new: ' in trained.stderr
    last = 'work_dirs/pets/epoch_1.pth'
    accuracy = top1(tmp_path / 'work_dirs/pets')
    run('wrn', 'test', 'pets.py', last, cwd=tmp_path)
    assert top1(tmp_path / 'work_dirs/pets') == accuracy
    image = 'pets/val/class_0/0.jpg'
    model = ('--model', 'pets.py', '--checkpoint', last)
    assert 'class_' in run('wrn', 'predict', image, *model, cwd=tmp_path).stdout


def test_fine_tuning_from_weights_of_other_classes(run, tmp_path, child_config):
    """`load_from` loads the backbone and reports that the head is new; so does Pretrained."""
    weights = wrn.get_model(child_config, head=dict(num_classes=7)).state_dict()
    torch.save(weights, tmp_path / 'seven.pth')
    one = ['--cfg-options', 'train_cfg.max_epochs=1', f'load_from={tmp_path}/seven.pth']
    result = run('wrn', 'train', child_config, '--work-dir', tmp_path / 'a', *one)
    assert 'the head is new: ' in result.stderr
    one[2:] = [
        'model.backbone.init_cfg.type=Pretrained',
        'model.backbone.init_cfg.prefix=backbone',
        f'model.backbone.init_cfg.checkpoint={tmp_path}/seven.pth',
    ]
    run('wrn', 'train', child_config, '--work-dir', tmp_path / 'b', *one)
    assert 'seven.pth: loads 120 tensors into WideResNet' in read_log(tmp_path / 'b')


def test_test_options(run, tmp_path, digits_weights):
    def top1_of(*options):
        run('wrn', 'test', DIGITS, digits_weights, '--work-dir', tmp_path, *options)
        return top1(tmp_path)

    plain = top1_of('--show-dir', tmp_path / 'shown', '--interval', 120)
    assert len(list((tmp_path / 'shown').glob('*.png'))) == 3
    # Flipped digits are misread, so a lower accuracy shows that TTA averaged over the flip.
    assert top1_of('--tta') < plain
    workers = ['test_dataloader.num_workers=1', 'test_dataloader.persistent_workers=True']
    for options in (workers, [*workers, 'test_dataloader.num_workers=0']):
        assert top1_of('--cfg-options', *options) == plain
    assert top1_of('--amp') > 98


def test_auto_scale_lr_amp_and_no_validate(run, tmp_path):
    options = [
        'train_dataloader.batch_size=128',
        'train_cfg.max_epochs=1',
        'train_dataloader.dataset.indices=256',
        'default_hooks.logger.interval=1',
        'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult=0.1',
    ]
    run(
        'wrn', 'train', DIGITS, '--work-dir', tmp_path, '--auto-scale-lr', '--amp', '--no-validate',
        '--cfg-options', *options,
    )  # fmt: skip
    assert 'lr 0.1 ' in read_log(tmp_path)  # twice 0.05, as in the head
    (checkpoint,) = tmp_path.glob('epoch_*.pth')
    groups = read_checkpoint(checkpoint)['optimizer']['param_groups']
    assert {group['initial_lr'] for group in groups} == {0.1 * 0.1, 0.1}
    assert '  accuracy/top1' not in read_log(tmp_path)
    assert "type='BFloat16OptimWrapper'" in read_log(tmp_path)


@pytest.mark.slow
@pytest.mark.ci
def test_mmpretrains_own_tools(run, tmp_path, mmpretrain_root):
    """Its tools run our configs, and read their own checkpoints with our loader."""
    tools = mmpretrain_root / '.mim' / 'tools'
    config, checkpoint = model_index.root() / DIGITS, tmp_path / 'epoch_1.pth'
    options = ('--work-dir', tmp_path, '--no-pin-memory')
    short = ('train_dataloader.dataset.indices=256', 'default_hooks.checkpoint.interval=1')
    train = ('python', tools / 'train.py', config, *options)
    run(*train, '--cfg-options', *short, 'train_cfg.max_epochs=1')
    tested = run('python', tools / 'test.py', config, checkpoint, *options)
    assert 'accuracy/top1' in tested.stdout
    resumed = run(
        *train, '--resume', checkpoint, '--cfg-options', *short, 'train_cfg.max_epochs=2'
    )  # fmt: skip
    assert 'resumed epoch: 1' in resumed.stdout


@pytest.mark.ci
def test_the_modern_recipe_trains_tests_and_resumes(run, tmp_path):
    """bfloat16, averaged weights, mixup, CutMix and RandAugment, on the digits."""
    config = tmp_path / 'modern.py'
    config.write_text(f"""
_base_ = ['{model_index.root()}/configs/wrn/wide-resnet28-10_8xb16-modern-200e_cifar10.py']
model = dict(backbone=dict(depth=10, widen_factor=1), head=dict(in_channels=64))
resize = dict(type='Resize', scale=(32, 32), backend='pillow')
digits = dict(_delete_=True, type='Digits')
train_dataloader = dict(batch_size=32, num_workers=0, dataset=dict(
    split='train', indices=128, pipeline=[resize, *_base_.train_pipeline], **digits))
val_dataloader = dict(num_workers=0, dataset=dict(
    split='test', indices=32, pipeline=_base_.test_pipeline, **digits))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=2)
default_hooks = dict(checkpoint=dict(interval=1))
custom_hooks = [dict(type='EMAHook', momentum=0.1, update_buffers=True)]
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=True, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=2, by_epoch=True, begin=1, end=3,
         convert_to_iter_based=True),
]
randomness = dict(seed=0)
""")
    run('wrn', 'train', config, '--work-dir', tmp_path / 'run')
    accuracy = top1(tmp_path / 'run')
    last = tmp_path / 'run' / 'epoch_2.pth'
    assert read_checkpoint(last)['ema_state_dict']
    run('wrn', 'test', config, last, '--work-dir', tmp_path / 'run')
    assert top1(tmp_path / 'run') == accuracy  # both with the averaged weights
    resumed = run(
        'wrn', 'train', config, '--work-dir', tmp_path / 'run', '--resume',
        '--cfg-options', 'train_cfg.max_epochs=3',
    )  # fmt: skip
    assert ', after epoch 2, ' in resumed.stderr
    assert (tmp_path / 'run' / 'epoch_3.pth').exists()


@pytest.mark.ci
def test_unreadable_images_are_skipped_and_counted(run, fails, tmp_path, child_config):
    """In two processes with one worker each, so that both see some of them."""
    bad = [tmp_path / 'imagenet' / 'train' / 'class_1' / f'{name}.jpg' for name in 'abcde']
    for path in bad:
        path.write_bytes(b'')
    options = ['--no-validate', '--cfg-options', 'train_cfg.max_epochs=2']
    train = ('-m', 'wrn', 'train', child_config, '--work-dir', tmp_path / 'run')
    result = run(
        'torchrun', '--standalone', '--nproc-per-node=2', *train, '--launcher', 'pytorch',
        '--skip-unreadable', *options,
    )  # fmt: skip
    lines = re.findall(r'skipped (\d+) unreadable images, such as (.*)', result.stderr)
    # After the first of two epochs, by the first process, for both.
    assert lines == [('5', ', '.join(map(str, bad[:3])))]

    again = (*train[2:], '--work-dir', tmp_path / 'again')
    error = fails(*again, *options, 'train_dataloader.num_workers=0')
    assert re.search(r'/class_1/[a-e]\.jpg: the image cannot be read \(the file is empty\)', error)

    # Skipping is an error where accuracy is measured.
    for path in bad:
        path.unlink()
    text = child_config.read_text()
    reading = "dict(type='CheckedReading', transform=dict(type='LoadImageFromFile'), skip=True)"
    test_pipeline = text.index('test_pipeline')
    child_config.write_text(
        text[:test_pipeline]
        + text[test_pipeline:].replace("dict(type='LoadImageFromFile')", reading, 1)
    )
    error = fails(*again, '--cfg-options', 'train_cfg.max_epochs=1')
    assert 'val_dataloader: must not skip unreadable images' in error


def test_imagenet_as_folders_and_as_annotation_files(run, tmp_path, rng):
    """Training works with the listed layout, and tests agree in all layouts."""
    folders, listed = tmp_path / 'folders', tmp_path / 'listed'
    wnids = ImageNetInfo().label_names()
    for split in ('train', 'val'):
        for wnid in wnids:
            (folders / split / wnid).mkdir(parents=True)
        (listed / split).mkdir(parents=True)
        lines = []
        for label in (0, 7, 999):
            pixels = rng.integers(0, 255, (50, 40, 3), dtype=np.uint8)
            path = folders / split / wnids[label] / f'{split} {label}.JPEG'
            Image.fromarray(pixels).save(path)
            shutil.copy(path, listed / split)
            lines.append(f'{path.name} {label}\n')
        (listed / 'meta').mkdir(exist_ok=True)
        (listed / 'meta' / f'{split}.txt').write_text(''.join(lines))
    config = tmp_path / 'mine.py'
    config.write_text(f"""
_base_ = ['{model_index.root()}/configs/wrn/wide-resnet50_8xb32_in1k.py']
model = dict(backbone=dict(depth=18, base_channels=8, stem_channels=16), head=dict(in_channels=128))
loader = dict(batch_size=3, num_workers=0, dataset=dict(data_root='listed'))
train_dataloader = dict(**loader)
val_dataloader = dict(**loader)
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1)
""")
    run('wrn', 'train', config, '--work-dir', 'run', cwd=tmp_path)
    results = []
    for options in (
        [],  # meta/val.txt is found
        ['data_root=folders'],
        ['data_prefix=listed/val', 'data_root=', 'split=', 'ann_file=listed/meta/val.txt'],
    ):
        words = [f'test_dataloader.dataset.{option}' for option in options]
        words = ['--cfg-options', *words] if words else []
        run(
            'wrn', 'test', config, 'run/epoch_1.pth', '--work-dir', 'run', '--out', 'pred.pkl',
            '--overwrite', *words, cwd=tmp_path,
        )  # fmt: skip
        predictions = pickle.loads((tmp_path / 'pred.pkl').read_bytes())
        results.append({p['gt_label'].item(): p['pred_score'] for p in predictions})
    assert results[0].keys() == {0, 7, 999}
    for result in results[1:]:
        assert result.keys() == results[0].keys()
        assert all(torch.equal(result[label], results[0][label]) for label in result)
