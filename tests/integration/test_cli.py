"""What the commands print."""

import json
import os
import re
import sys
import tarfile

import pytest
import torch
from PIL import Image

import wrn
from wrn.training.checks import check_topk
from wrn_base import model_index
from wrn_base.cli import main
from wrn_base.errors import count
from wrn_base.parser import HELPS, get_command, parse_args

DIGITS = 'configs/wrn/wide-resnet16-2_1xb64_digits.py'


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch, tmp_path):
    monkeypatch.setenv('COLUMNS', '200')
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize('name', HELPS)
def test_help(capsys, checkout, monkeypatch, name):
    monkeypatch.setenv('COLUMNS', '80')
    with pytest.raises(SystemExit, match='0'):
        main([name, '--help'])
    out = capsys.readouterr().out
    assert out.startswith(f'usage: wrn {name} ')
    assert HELPS[name][1:] in out
    assert all(f'wrn {name} {words}' in out for words in get_command(name).EXAMPLES)
    assert (checkout / get_command(name).DOCS).is_file()
    assert max(map(len, out.splitlines())) <= 80
    options = re.findall(r'^  (-.*)', out, re.MULTILINE)
    assert len(options) > 0
    assert not re.search(r'\(default: (None|\[)', out)


def test_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit, match='0'):
        main(['--help'])
    out = capsys.readouterr().out
    assert all(help in out for help in HELPS.values())
    assert max(map(len, out.splitlines())) <= 80


def test_numbers_agree_with_nouns():
    assert [count(n, 'class') for n in (0, 1, 2)] == ['0 classes', '1 class', '2 classes']
    assert [count(n, 'image') for n in (0, 1, 2)] == ['0 images', '1 image', '2 images']


def test_more_data_workers_than_cores_are_no_warning(capsys, monkeypatch):
    """torch would print two lines for each data loader of a config for larger machines."""
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0})
    settings = ['test_dataloader.num_workers=2', 'test_dataloader.dataset.indices=4']
    main(['test', 'wide-resnet16-2_1xb64_digits', '--cfg-options', *settings])
    assert 'worker' not in capsys.readouterr().err


def test_list(capsys):
    main(['list'])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['ImageNet-1k', 'params', 'top-1', 'weights']
    first = 'wide-resnet50_3rdparty_8xb32_in1k +68.9 M +78.48 +online'
    assert re.search(first, lines[1])
    entries = model_index.models().values()
    without = sum(not entry.weights for entry in entries)
    assert lines[-1] == f'{without} recipes without weights: wrn list --all'
    assert max(map(len, map(str.rstrip, lines))) <= 80
    main(['list', '*DIGITS'])
    assert len(capsys.readouterr().out.splitlines()) == 3
    main(['list', 'wide-resnet28-10_8xb16_cifar10'])  # a recipe
    assert 'none' in capsys.readouterr().out
    main(['list', 'Cifar'])  # a part of names
    parts = capsys.readouterr().out
    main(['list', '*cifar*'])
    assert parts == capsys.readouterr().out
    assert 'wide-resnet28-10_8xb16_cifar10 ' in parts


def test_list_as_json(capsys):
    main(['list', '--all', '--json'])
    models = json.loads(capsys.readouterr().out)
    assert [model['name'] for model in models] == [e.name for e in model_index.models().values()]
    assert models[0]['params'] == model_index.models()[models[0]['name']].metadata.parameters


def test_tables_are_not_cut_in_a_narrow_pipe(capsys, monkeypatch, checkout):
    monkeypatch.setenv('COLUMNS', '40')
    main(['list'])
    assert 'wide-resnet101_3rdparty-torchvision-v2_8xb32_in1k' in capsys.readouterr().out
    main(['predict', str(checkout / 'demo' / 'digit_3.png'), '--topk', '1'])
    assert f'{checkout}/demo/digit_3.png' in capsys.readouterr().out


def test_predict(capsys, checkout):
    demo = checkout / 'demo'
    main(['predict', str(demo / 'digit_3.png'), str(demo / 'digit_7.png'), '--topk', '2'])
    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ['image', 'class', 'score']
    assert [row[-2] for row in rows[1::2]] == ['3', '7']
    assert [row[0] for row in rows[1::2]] == [str(demo / 'digit_3.png'), str(demo / 'digit_7.png')]
    assert err == (
        'wrn: model wide-resnet16-2_1xb64_digits, which knows handwritten digits 0 to 9; name '
        'another with --model\n'
    )


def test_predict_json(capsys, checkout, tmp_path):
    arguments = ['predict', str(checkout / 'demo'), '--topk', '3']
    main([*arguments, '--out', 'out.json'])
    assert capsys.readouterr().out == ''
    records = json.loads((tmp_path / 'out.json').read_text())
    assert [len(record['predictions']) for record in records] == [3, 3]
    assert records[1]['predictions'][0]['pred_class'] == '7'
    scores = [p['pred_score'] for p in records[1]['predictions']]
    assert scores == sorted(scores, reverse=True)
    main([*arguments, '--json'])
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == records


def test_predict_with_config_and_checkpoint(capsys, checkout, digits_weights):
    main(['predict', f'{checkout}/demo/*3.png', '--model', DIGITS, '--checkpoint', digits_weights])
    assert re.search(r'digit_3\.png +3 +0\.9', capsys.readouterr().out)


def test_unreadable_images_do_not_stop_a_run(fails, capsys, checkout, photograph, tmp_path):
    (tmp_path / 'text.png').write_text('not an image')
    (tmp_path / 'cut.jpg').write_bytes(photograph.read_bytes()[:5000])
    good = checkout / 'demo' / 'digit_3.png'
    error = fails('predict', tmp_path, 'none.png', good, '--json')
    assert error == 'wrn: error: 3 of 4 images could not be read; remove or replace them'
    assert len(capsys.readouterr().err.splitlines()) == 4
    main(['predict', str(tmp_path), 'none.png', str(good), '--out', 'out.json'])
    _, *errors, summary = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert summary.endswith('; 3 could not be read, see the file')
    assert all(line.startswith('wrn: ') for line in errors)
    records = json.loads((tmp_path / 'out.json').read_text())
    assert [os.path.basename(r['img_path']) for r in records] == [
        'cut.jpg', 'text.png', 'none.png', 'digit_3.png'
    ]  # fmt: skip
    assert ['error' in r for r in records] == [True, True, True, False]
    assert records[3]['predictions'][0]['pred_class'] == '3'


def test_unreadable_images_are_counted_in_an_archive_of_unknown_length(fails, checkout, tmp_path):
    (tmp_path / 'bad.png').write_text('not an image')
    with tarfile.open('images.tgz', 'w:gz') as archive:
        archive.add(checkout / 'demo' / 'digit_3.png', 'good.png')
        archive.add('bad.png')
    error = fails('predict', 'images.tgz', '--json')
    assert error == 'wrn: error: 1 of 2 images could not be read; remove or replace it'


def test_image_modes(capsys, tmp_path):
    for mode in ('1', 'L', 'P', 'RGBA', 'CMYK', 'I;16'):
        extension = 'tif' if mode == 'CMYK' else 'png'
        Image.new(mode, (1, 1)).save(tmp_path / f'{mode.replace(";", "")}.{extension}')
    main(['predict', str(tmp_path), '--topk', '1'])
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_publish_writes_the_same_file_again(capsys, tmp_path, fails):
    torch.save({'head.w': torch.ones(3)}, 'w.pth')
    words = ['publish', 'w.pth', 'mine', '--folder', 'out']
    main(words)
    for _ in range(3):
        main([*words, '--overwrite'])
    (file,) = (tmp_path / 'out').iterdir()
    assert f'out/{file.name}: exists; add --overwrite to replace it' in fails(*words)
    assert len(list((tmp_path / 'out').iterdir())) == 1
    assert 'left out' not in capsys.readouterr().out
    assert 'not a file name; give the folder with --folder' in fails('publish', 'w.pth', '../mine')


def test_a_closed_pipe_causes_no_traceback(run, checkout):
    command = f'{sys.executable} -m wrn predict {checkout}/demo --json | true'
    result = run('bash', '-c', command)
    assert 'Traceback' not in result.stderr


def test_topk_of_other_metrics_is_not_checked():
    for metric in (
        dict(type='MultiLabelMetric', topk=None),
        dict(type='RetrievalRecall', topk=(1, 20)),
        [dict(type='Accuracy', topk=(1, 5)), dict(type='SingleLabelMetric')],
    ):
        check_topk('val_evaluator', metric, 10)


def test_local_rank_of_old_launchers():
    assert parse_args(['train', DIGITS, '--local-rank=1', '--launcher=pytorch']).local_rank == 1


def test_entry_points(run, tmp_path):
    command = ('python', '-m', 'wrn')
    assert run(*command, '--version').stdout.splitlines()[-1] == f'wrn {wrn.__version__}'
    failed = run(*command, 'predict', 'none.png', '*.none', code=1)
    assert [line[:5] for line in failed.stderr.splitlines()] == ['wrn: ']
    failed = run('wrn', 'train', DIGITS, '--cfg-options', 'x', code=1)
    assert 'expected KEY=VALUE' in failed.stderr
