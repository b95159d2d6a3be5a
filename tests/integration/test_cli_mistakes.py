"""The message of each mistake on the command line."""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

import wrn
from wrn_base import model_index

DIGITS = 'configs/wrn/wide-resnet16-2_1xb64_digits.py'


@pytest.fixture(autouse=True)
def in_a_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Image.new('RGB', (16, 16)).save('x.png')
    Path('empty').mkdir()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none.png', 'x.png'], '1 of 2 images could not be read'),
        (['*.jpg'], 'no file matches the pattern'),
        (['empty'], 'the folder has no images'),
        (
            ['x.png', '--model', 'wide-resnet16-2_1xb64_digit'],
            "did you mean 'wide-resnet16-2_1xb64_digits'",
        ),
        (['x.png', '--model', 'none.py'], 'no such config file'),
        (['x.png', '--model', DIGITS], 'give weights with --checkpoint'),
        (['x.png', '--checkpoint', 'none.pth'], 'none.pth: the checkpoint does not exist'),
        (['x.png', '--device', 'abacus'], '--device abacus: unknown; give cpu'),
        (['x.png', '--topk', '0'], '--topk 0: must be at least 1'),
        (['x.png', '--out', '/dev/null/x.json'], '--out /dev/null/x.json: cannot be written'),
    ],
)
def test_mistakes_in_predict(fails, arguments, message):
    assert message in fails('predict', *arguments)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['list', 'zzz'], "'zzz': matches no model name"),
        (['train', 'none.py'], 'none.py: no such config file'),
        (['train', DIGITS, '--cfg-options', 'model.backbone.dept=3'], "--cfg-options model.backbone.dept: WideResNetCIFAR.__init__() got an unexpected keyword argument 'dept'; did you mean 'depth'?"),
        (['train', DIGITS, '--cfg-options', 'train_cfg.max_epoch=3'], "--cfg-options train_cfg.max_epoch: EpochBasedTrainLoop.__init__() got an unexpected keyword argument 'max_epoch'; did you mean 'max_epochs'?"),
        (['train', DIGITS, '--cfg-options', 'model.backbone.type=WideResNt'], "did you mean 'WideResNet'"),
        (['train', DIGITS, '--cfg-options', 'optim_wrapper.optimizer.type=SGDD'], "unknown optimizer type 'SGDD'; did you mean 'SGD'"),
        (['train', DIGITS, '--cfg-options', 'model.head.num_classes=7'], 'the dataset has 10 classes, but the head of the model has 7'),
        (['train', DIGITS, '--resume', 'none.pth'], 'none.pth: the checkpoint does not exist'),
        (['test', DIGITS], 'give a checkpoint after it'),
        (['test', DIGITS, '.'], '.: is a folder, not a file of weights; test on its images with --data'),
        (['train', '.'], '.: is a folder, not a model; `wrn finetune .` trains on images in it'),
        (['info', '.'], '.: is a folder, not a model; `wrn finetune .` trains on images in it'),
        (['test', DIGITS, 'none.pth'], 'none.pth: the checkpoint does not exist'),
        (['train', DIGITS, '--cfg-options', 'train_dataloader.batchsize=3'], "argument 'batchsize'; did you mean 'batch_size'"),
        (['test', DIGITS, 'x.pth', '--out', 'x.txt'], '--out x.txt: predictions are written as .pkl'),
        (['test', DIGITS, 'x.pth', '--out', 'x.txt', '--out-item', 'metrics'], 'as .json, .yaml'),
        (['test', DIGITS, 'x.pth', '--out', '/dev/null/x.pkl'], 'cannot be written (Not a directory)'),
        (['test', DIGITS, 'x.pth', '--out', '/proc/x.pkl'], '--out /proc/x.pkl: cannot be written'),
        (['test', DIGITS, 'x.pth', '--out-item', 'pred'], '--out FILE'),
        (['train', DIGITS, '--cfg-options', 'test_pipeline.9.type=x'], 'wide-resnet16-2_1xb64_digits.py: '),
        (['train', DIGITS, '--cfg-options', 'model.backbone.depth.x=1'], 'wide-resnet16-2_1xb64_digits.py: '),
        (['train', DIGITS, '--launcher', 'pytorch'], 'start the job with a script in tools/'),
        (['train', DIGITS, '--launcher', 'slurm'], 'SLURM_'),
        (['test', DIGITS, 'x.pth', '--out', 'folder.pkl'], '--out folder.pkl: is a folder'),
        (['train', DIGITS, '--cfg-options', 'param_scheduler.type=Stp'], "unknown parameter scheduler type 'Stp'"),
        (['train', DIGITS, '--cfg-options', 'modl.backbone.depth=18'], "unknown key 'modl'; rename it to model"),
        (['train', DIGITS, '--cfg-options', 'model.head.in_channels=97'], 'cannot be multiplied'),
        (['train', DIGITS, '--cfg-options', 'val_evaluator.topk=11'], 'top-11 accuracy needs at least 11 classes'),
        (['train', DIGITS, '--work-dir', '/dev/null/x'], '--work-dir /dev/null/x: cannot be created'),
        (['info', DIGITS, '--key', 'ema'], 'is no file of weights; leave out --key and --prefix'),
        (['publish', 'none.pth', 'name'], 'none.pth: the checkpoint does not exist'),
    ],
)  # fmt: skip
def test_mistakes_in_other_commands(fails, tmp_path, arguments, message):
    (tmp_path / 'folder.pkl').mkdir()
    assert message in fails(*arguments)


@pytest.mark.parametrize(
    'arguments',
    [
        ['predict', 'none.png', '--out', 'x.csv'],
        ['features', 'none.png', '--model', 'none.py', '--out', 'x.npy'],
        ['features', 'none.png', '--model', 'none.py', '--out', 'list.npy'],
        ['test', 'none.py', 'none.pth', '--out', 'x.pkl'],
        ['test', 'none.py', 'none.pth', '--out', 'x.json', '--out-item', 'metrics'],
        ['check-data', 'none', '--out', 'x.json'],
        ['plot', 'none', '--out', 'x.png'],
        ['export', 'none.py', '--format', 'onnx', '--out', 'x.onnx'],
    ],
)
def test_a_pipe_without_a_reader_is_refused_before_the_work(fails, arguments):
    names = ('x.csv', 'x.npy', 'list.npy.txt', 'x.pkl', 'x.json', 'x.png', 'x.onnx')
    Path('x.png').unlink()
    for name in names:
        os.mkfifo(name)
    assert 'cannot be written (a pipe without a reader, or a socket)' in fails(*arguments)
    assert all(Path(name).is_fifo() for name in names)


IN1K = 'configs/wrn/wide-resnet50_8xb32_in1k.py'


def test_mistakes_in_a_data_folder(fails, make_image_folder, tmp_path):
    def train(root, *options):
        key = 'train_dataloader.dataset.data_root'
        return fails('train', IN1K, '--cfg-options', f'{key}={root}', *options)

    assert 'missing/train: the data folder does not exist' in train(tmp_path / 'missing')
    (tmp_path / 'empty' / 'train').mkdir(parents=True)
    assert 'empty/train: has 0 class folders, but the head of the model has 1000 classes' in train(
        tmp_path / 'empty'
    )
    root = make_image_folder(classes=3)
    assert 'has 3 class folders, but the head of the model has 1000 classes' in train(root)
    error = train(root, 'model.head.num_classes=3', 'val_evaluator.topk=1')
    assert "train_dataloader.dataset.type: 'ImageNet' has 1000 classes" in error
    error = train(root, 'train_dataloader.dataset.ann_file=none.txt')
    assert 'none.txt: the annotation file does not exist' in error
    for lines, message in (
        ('', 'the annotation file is empty'),
        ('a b.jpg 0\nb.jpg 1000\n', 'line 2 must be the path of an image, a space, and its label'),
        ('a b.jpg\n', 'and its label from 0 to 999'),
        ('b.jpg -1\n', 'line 1 must'),
        ('b.jpg 1\n\nc.jpg\n', 'line 3 must'),
        ('b.jpg 1\nc.jpg 1000\n', 'its labels count from 1 to 1000; subtract 1'),
        ('\n', 'the annotation file is empty'),
    ):
        (root / 'list.txt').write_text(lines)
        error = train(root, 'train_dataloader.dataset.ann_file=list.txt')
        assert f'{root}/list.txt: ' in error
        assert message in error


@pytest.mark.parametrize('setting', ['metainfo.classes', 'metainfo.task', 'classes', 'ann_file'])
def test_a_pipe_or_device_of_a_dataset_is_not_opened(fails, make_image_folder, tmp_path, setting):
    root = make_image_folder(classes=3)
    os.mkfifo('pipe')
    Path('binary').write_bytes(bytes(1 << 20))
    for kind in ('CustomDataset', 'MultiLabelDataset'):
        dataset = f'train_dataloader.dataset.type={kind}'
        for path in (tmp_path / 'pipe', '/dev/zero', tmp_path / 'binary'):
            if (setting, path) == ('ann_file', tmp_path / 'binary'):
                continue  # it is a file, which a dataset reads in its own way
            words = [f'train_dataloader.dataset.{name}' for name in (f'data_root={root}', setting)]
            words[1] += f'={path}'
            error = fails(
                'train',
                IN1K,
                '--cfg-options',
                dataset,
                *words,
                'model.head.num_classes=3',
                'val_evaluator.topk=1',
            )
            assert error.startswith(f'wrn: error: {path}: ')
            assert 'not a file, but a pipe' in error or 'not UTF-8 text of short lines' in error


def test_weights_of_another_model_are_refused(fails, tmp_path):
    other = wrn.get_model(DIGITS, backbone=dict(widen_factor=1))
    torch.save(other.state_dict(), tmp_path / 'other.pth')
    for command in (
        ['test', DIGITS, 'other.pth'],
        ['train', DIGITS, '--cfg-options', 'load_from=other.pth'],
        ['predict', 'x.png', '--checkpoint', 'other.pth'],
    ):
        assert 'other.pth: the weights do not fit the model' in fails(*command)
    assert 'so it cannot be resumed' in fails('train', DIGITS, '--resume', 'other.pth')


def test_predict_refuses_a_random_head(fails, tmp_path):
    other = wrn.get_model(DIGITS, head=dict(num_classes=7))
    torch.save(other.state_dict(), tmp_path / 'seven.pth')
    error = fails('predict', 'x.png', '--checkpoint', 'seven.pth')
    assert 'the weights of the head do not match' in error
    assert 'give weights' not in error


def test_an_unreadable_image_of_a_dataset_is_named(fails, make_image_folder, tmp_path):
    root = make_image_folder()
    bad = root / 'val' / 'class_1' / '0.jpg'
    bad.write_bytes(bad.read_bytes()[:300])
    loader = dict(type='CustomDataset', data_root=str(root), data_prefix='val')
    (tmp_path / 'mine.py').write_text(
        f"_base_ = ['{model_index.root() / IN1K}']\n"
        f'test_dataloader = dict(num_workers=1, dataset=dict(_delete_=True, **{loader}, '
        'pipeline={{_base_.test_pipeline}}))\n'
        'model = dict(head=dict(num_classes=3))\ntest_evaluator = dict(topk=1)\n'
    )
    model = wrn.get_model('mine.py')
    torch.save(model.state_dict(), 'w.pth')
    error = fails('test', 'mine.py', 'w.pth')
    assert error.startswith(f'wrn: error: {bad}: the image cannot be read (Truncated File Read); ')
