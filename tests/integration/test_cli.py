"""What the command line prints, and how it answers mistakes."""

import json
import os
import re
import sys

import pytest
import torch
from PIL import Image

import wrn
from wrn.cli import main, parse_args
from wrn.training.checks import check_topk

DIGITS = 'configs/wrn/wide-resnet16-2_1xb64_digits.py'


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch, tmp_path):
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.chdir(tmp_path)


def test_list(capsys):
    main(['list'])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:5] == ['model', 'params', 'FLOPs', 'top-1', 'top-5']
    assert len(lines) == 1 + len(wrn.config.model_index.models())
    assert re.search(r'wide-resnet50_3rdparty_8xb32_in1k +68.88 M +11.4 G +78.48 +94.08', lines[1])
    main(['list', '*DIGITS'])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_list_in_a_narrow_pipe_is_not_cut(capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '40')
    main(['list'])
    assert 'configs/wrn/wide-resnet101_8xb32_in1k.py' in capsys.readouterr().out


def test_predict(capsys, checkout):
    demo = checkout / 'demo'
    main(['predict', str(demo / 'digit_3.png'), str(demo / 'digit_7.png'), '--topk', '2'])
    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ['image', 'class', 'score']
    assert [row[-2] for row in rows[1::2]] == ['3', '7']
    assert [row[0] for row in rows[1::2]] == [str(demo / 'digit_3.png'), str(demo / 'digit_7.png')]
    assert err == ''


def test_predict_json(capsys, checkout, tmp_path):
    arguments = ['predict', str(checkout / 'demo'), '--topk', '3', '--out']
    main([*arguments, 'out.json'])
    assert capsys.readouterr().out == ''
    records = json.loads((tmp_path / 'out.json').read_text())
    assert [len(record['predictions']) for record in records] == [3, 3]
    assert records[1]['predictions'][0]['pred_class'] == '7'
    scores = [p['pred_score'] for p in records[1]['predictions']]
    assert scores == sorted(scores, reverse=True)
    main([*arguments, '-'])
    assert json.loads(capsys.readouterr().out) == records


def test_many_pictures_show_progress(capsys, checkout, monkeypatch):
    monkeypatch.setenv('FORCE_COLOR', '1')  # as in a terminal
    monkeypatch.setenv('TTY_COMPATIBLE', '1')
    main(['predict', str(checkout / 'demo'), '--batch-size', '1'])
    assert 'Predicting' in capsys.readouterr().err


def test_predict_with_own_weights_and_config(capsys, checkout, digits_weights):
    main(['predict', f'{checkout}/demo/*3.png', '--model', DIGITS, '--checkpoint', digits_weights])
    assert re.search(r'digit_3\.png +3 +0\.9', capsys.readouterr().out)


def test_bad_pictures_do_not_stop_the_others(fails, capsys, checkout, photograph, tmp_path):
    (tmp_path / 'text.png').write_text('no picture')
    (tmp_path / 'cut.jpg').write_bytes(photograph.read_bytes()[:5000])
    good = checkout / 'demo' / 'digit_3.png'
    error = fails('predict', tmp_path, 'none.png', good, '--out', '-')
    assert error == 'wrn: error: 3 of 4 images could not be read'
    assert len(capsys.readouterr().err.splitlines()) == 3
    main(['predict', str(tmp_path), 'none.png', str(good), '--out', 'out.json'])
    *told, count = capsys.readouterr().err.splitlines()
    assert len(told) == 3
    assert count.endswith('; 3 could not be read, see the file')
    assert all(line.startswith('wrn: ') for line in told)
    records = json.loads((tmp_path / 'out.json').read_text())
    assert [os.path.basename(r['img_path']) for r in records] == [
        'cut.jpg', 'text.png', 'none.png', 'digit_3.png'
    ]  # fmt: skip
    assert ['error' in r for r in records] == [True, True, True, False]
    assert records[3]['predictions'][0]['pred_class'] == '3'


def test_odd_pictures(capsys, tmp_path):
    for mode in ('1', 'L', 'P', 'RGBA', 'CMYK', 'I;16'):
        extension = 'tif' if mode == 'CMYK' else 'png'
        Image.new(mode, (1, 1)).save(tmp_path / f'{mode.replace(";", "")}.{extension}')
    main(['predict', str(tmp_path), '--topk', '1'])
    assert len(capsys.readouterr().out.splitlines()) == 7


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none.png'], '1 of 1 image could not be read'),
        (['*.jpg'], 'no file matches the pattern'),
        (['.'], 'the folder has no images'),
        (
            ['x.png', '--model', 'wide-resnet16-2_1xb64_digit'],
            'did you mean wide-resnet16-2_1xb64_digits',
        ),
        (['x.png', '--model', 'none.py'], 'no such config file'),
        (['x.png', '--model', DIGITS], 'give weights with --checkpoint'),
        (['x.png', '--checkpoint', 'none.pth'], 'none.pth: the checkpoint does not exist'),
        (['x.png', '--device', 'abacus'], '--device abacus: unavailable ('),
        (['x.png', '--topk', '0'], '--topk 0: must be at least 1'),
        (['x.png', '--out', 'no/such/folder/x.json'], 'the folder does not exist'),
    ],
)
def test_mistakes_in_predict(fails, arguments, message):
    assert message in fails('predict', *arguments)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['list', 'zzz'], "'zzz': matches no model name"),
        (['train', 'none.py'], 'none.py: no such config file'),
        (['train', DIGITS, '--cfg-options', 'model.backbone.dept=3'], "unexpected keyword argument 'dept'"),
        (['train', DIGITS, '--cfg-options', 'model.backbone.type=WideResNt'], 'did you mean WideResNet'),
        (['train', DIGITS, '--cfg-options', 'optim_wrapper.optimizer.type=SGDD'], "unknown optimizer type 'SGDD'; did you mean SGD"),
        (['train', DIGITS, '--cfg-options', 'model.head.num_classes=7'], 'the dataset has 10 classes, but the head of the model has 7'),
        (['train', DIGITS, '--resume', 'none.pth'], 'none.pth: the checkpoint does not exist'),
        (['test', DIGITS], 'give a checkpoint after it'),
        (['test', DIGITS, 'none.pth'], 'none.pth: the checkpoint does not exist'),
        (['test', DIGITS, 'x.pth', '--out', 'x.txt'], '--out x.txt: predictions are written as .pkl'),
        (['test', DIGITS, 'x.pth', '--out', 'x.txt', '--out-item', 'metrics'], 'as .json, .yaml'),
        (['test', DIGITS, 'x.pth', '--out', 'no/folder/x.pkl'], 'the folder does not exist'),
        (['test', DIGITS, 'x.pth', '--out', '/proc/x.pkl'], '--out /proc/x.pkl: cannot be written'),
        (['test', DIGITS, 'x.pth', '--out-item', 'pred'], '--out FILE'),
        (['train', DIGITS, '--cfg-options', 'test_pipeline.9.type=x'], 'wide-resnet16-2_1xb64_digits.py: '),
        (['train', DIGITS, '--cfg-options', 'model.backbone.depth.x=1'], 'wide-resnet16-2_1xb64_digits.py: '),
        (['train', DIGITS, '--launcher', 'pytorch'], 'start the job with a script in tools/'),
        (['train', DIGITS, '--launcher', 'slurm'], 'SLURM_'),
        (['test', DIGITS, 'x.pth', '--out', 'folder.pkl'], '--out folder.pkl: is a folder'),
        (['train', DIGITS, '--cfg-options', 'param_scheduler.type=Stp'], "unknown parameter scheduler type 'Stp'"),
        (['train', DIGITS, '--cfg-options', 'modl.backbone.depth=18'], "unknown key 'modl'; did you mean model"),
        (['train', DIGITS, '--cfg-options', 'model.head.in_channels=97'], 'cannot be multiplied'),
        (['train', DIGITS, '--cfg-options', 'val_evaluator.topk=11'], 'top-11 accuracy needs at least 11 classes'),
        (['train', DIGITS, '--work-dir', '/dev/null/x'], '--work-dir /dev/null/x: cannot be created'),
        (['publish', 'none.pth', 'name'], 'none.pth: the checkpoint does not exist'),
    ],
)  # fmt: skip
def test_mistakes_in_other_commands(fails, tmp_path, arguments, message):
    (tmp_path / 'folder.pkl').mkdir()
    assert message in fails(*arguments)


IN1K = 'configs/wrn/wide-resnet50_8xb32_in1k.py'


def test_mistakes_in_the_data_folder(fails, make_image_folder, tmp_path):
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
        ('b.jpg 1\n\n', 'line 2 must'),
    ):
        (root / 'list.txt').write_text(lines)
        error = train(root, 'train_dataloader.dataset.ann_file=list.txt')
        assert f'{root}/list.txt: ' in error
        assert message in error


def test_the_weights_of_another_model_are_refused(fails, tmp_path):
    other = wrn.get_model(DIGITS, backbone=dict(widen_factor=1))
    torch.save(other.state_dict(), tmp_path / 'other.pth')
    for command in (
        ['test', DIGITS, 'other.pth'],
        ['train', DIGITS, '--cfg-options', 'load_from=other.pth'],
        ['predict', 'x.png', '--checkpoint', 'other.pth'],
    ):
        assert 'other.pth: the weights are those of another model' in fails(*command)
    assert 'so it cannot be resumed' in fails('train', DIGITS, '--resume', 'other.pth')


def test_a_random_head_predicts_nothing(fails, tmp_path):
    other = wrn.get_model(DIGITS, head=dict(num_classes=7))
    torch.save(other.state_dict(), tmp_path / 'seven.pth')
    error = fails('predict', 'x.png', '--checkpoint', 'seven.pth')
    assert 'the weights of the head do not fit' in error
    assert 'give weights' not in error


def test_publish_is_repeatable(capsys, tmp_path, fails):
    torch.save({'head.w': torch.ones(3)}, 'w.pth')
    for _ in range(4):
        main(['publish', 'w.pth', 'mine', '--folder', 'out'])
    assert len(list((tmp_path / 'out').iterdir())) == 1
    assert 'left out' not in capsys.readouterr().out
    assert 'must be the name of a file without a folder' in fails('publish', 'w.pth', '../mine')


def test_a_bad_picture_of_a_data_set_is_named(fails, make_image_folder, tmp_path):
    root = make_image_folder()
    bad = root / 'val' / 'class_1' / '0.jpg'
    bad.write_bytes(bad.read_bytes()[:300])
    loader = dict(type='CustomDataset', data_root=str(root), data_prefix='val')
    (tmp_path / 'mine.py').write_text(
        f"_base_ = ['{wrn.config.model_index.root() / IN1K}']\n"
        f'test_dataloader = dict(num_workers=1, dataset=dict(_delete_=True, **{loader}, '
        'pipeline={{_base_.test_pipeline}}))\n'
        'model = dict(head=dict(num_classes=3))\ntest_evaluator = dict(topk=1)\n'
    )
    model = wrn.get_model('mine.py')
    torch.save(model.state_dict(), 'w.pth')
    error = fails('test', 'mine.py', 'w.pth')
    assert error.startswith(f'wrn: error: {bad}: the image cannot be read (Truncated File Read); ')


def test_a_reader_that_has_enough(run, checkout):
    command = f'{sys.executable} -m wrn predict {checkout}/demo --out - | true'
    result = run('bash', '-c', command)
    assert 'Traceback' not in result.stderr


def test_topk_of_other_metrics_is_let_alone():
    for metric in (
        dict(type='MultiLabelMetric', topk=None),
        dict(type='RetrievalRecall', topk=(1, 20)),
        [dict(type='Accuracy', topk=(1, 5)), dict(type='SingleLabelMetric')],
    ):
        check_topk('val_evaluator', metric, 10)


def test_the_old_launcher_is_understood():
    assert parse_args(['train', DIGITS, '--local-rank=1', '--launcher=pytorch']).local_rank == 1


def test_the_command_itself(run, tmp_path):
    command = ('python', '-m', 'wrn')
    assert run(*command, '--version').stdout.splitlines()[-1] == f'wrn {wrn.__version__}'
    failed = run(*command, 'predict', 'none.png', code=1)
    assert [line[:5] for line in failed.stderr.splitlines() if 'OneDL' not in line] == ['wrn: '] * 2
    failed = run('wrn', 'train', DIGITS, '--cfg-options', 'x', code=2)
    assert 'expected KEY=VALUE' in failed.stderr
