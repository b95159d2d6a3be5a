"""``--json`` prints JSON and nothing else on standard output, whatever names are."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from small_run import write_classes, write_config

import wrn
from wrn.checkpoints import read_checkpoint
from wrn.data.check_folder import KINDS
from wrn_base.card import KEYS
from wrn_base.cli import main

DIGITS = 'wide-resnet16-2_1xb64_digits'
HOSTILE = 'a\x1b]0;OWNED\x07\x9b31m"\n\\\r\u202egnp'


@pytest.fixture(autouse=True)
def in_a_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def output(capsys):
    """Run a command, and return its standard output and exit status."""

    def output(*words):
        capsys.readouterr()
        code = 0
        try:
            main([*map(str, words), '--json'])
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else 1
        text = capsys.readouterr().out
        assert text.isascii()
        assert not set(text) & {'\x1b', '\x07', '\r'}
        return text, code

    return output


CARDS = {
    'name': dict(
        model='wide-resnet50_3rdparty_8xb32_in1k', params=68883240, flops=11440000000,
        dataset='ImageNet-1k', license='BSD-3-Clause', mean=[123.675, 116.28, 103.53],
    ),
    'config': dict(num_classes=10, params=691674, weights=[], resize='to 16x16 (bilinear, pillow)'),
    'weights': dict(num_classes=10, params=691674, format='openmmlab', license='Apache-2.0'),
    'exported': dict(num_classes=10, precision='float32', output='logits'),
}  # fmt: skip


@pytest.mark.parametrize('kind', CARDS)
def test_cards_have_the_same_keys(output, kind, digits_weights, exported_digits, checkout):
    models = {
        'name': 'timm/wide_resnet50_2.tv_in1k',
        'config': checkout / f'configs/wrn/{DIGITS}.py',
        'weights': digits_weights,
        'exported': exported_digits('onnx'),
    }
    text, code = output('info', models[kind])
    card = json.loads(text)
    assert code == 0
    assert tuple(card) == KEYS
    assert card['kind'] == kind
    assert {key: card[key] for key in CARDS[kind]} == CARDS[kind]


def test_the_documented_keys_are_those_of_cards(checkout):
    text = (checkout / 'docs/scripts.md').read_text().partition('The keys of `info`')[2]
    keys = [
        key
        for row in re.findall(r'^\| (`.*?) \|', text, re.M)
        for key in re.findall('`(.*?)`', row)
    ]
    assert sorted(keys) == sorted(KEYS)


def test_a_card_of_a_hostile_file(output, digits_weights):
    content = read_checkpoint(digits_weights)
    content['meta'].pop('sha256_of_tensors')
    content['meta'] |= dict(source=HOSTILE, license='https://user:secret@x.org/a')
    content['meta']['dataset_meta'] = dict(classes=[f'{HOSTILE}{i}' for i in range(10)])
    torch.save(content, f'{HOSTILE}.pth')
    card = json.loads(output('info', f'{HOSTILE}.pth')[0])
    assert card['provenance'] == HOSTILE
    assert card['classes'][3] == f'{HOSTILE}3'
    assert card['license'] == 'https://***@x.org/a'


def test_predictions_are_lines(output):
    for name in (f'{HOSTILE}.png', os.fsdecode(b'not-utf8-\xff.png')):
        with open(name, 'wb') as file:
            Image.new('RGB', (16, 16)).save(file, 'png')
    Path('broken.png').write_bytes(b'x')
    text, code = output('predict', '.', '--model', DIGITS, '--topk', 2)
    records = {record['img_path'][2:]: record for record in map(json.loads, text.splitlines())}
    assert code == 1  # one cannot be read
    assert records.keys() == {f'{HOSTILE}.png', 'not-utf8-\udcff.png', 'broken.png'}
    assert records.pop('broken.png').keys() == {'img_path', 'error'}
    expected = wrn.inference_model(DIGITS, f'{HOSTILE}.png', topk=2)['predictions']
    for record in records.values():
        assert [p['pred_class'] for p in record['predictions']] == [
            p['pred_class'] for p in expected
        ]
        assert record['predictions'][0]['pred_score'] == pytest.approx(expected[0]['pred_score'])


def test_predictions_come_one_by_one():
    Image.new('RGB', (16, 16)).save('x.png')
    Path('many.txt').write_text('x.png\n' * 100_000)
    words = ['predict', 'many.txt', '--model', DIGITS, '--json', '--batch-size', '1']
    command = [sys.executable, '-m', 'wrn', *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert json.loads(process.stdout.readline())['img_path'] == 'x.png'
            assert process.poll() is None
        finally:
            process.kill()


def test_metrics(run, tmp_path):
    write_classes('data/val', ['ape', HOSTILE, 'cat'], 4)
    write_config('small.py')
    torch.save(dict(state_dict=wrn.get_model('small.py').state_dict()), 'w.pth')
    words = ('wrn', 'test', 'small.py', 'w.pth', '--json')
    content = json.loads(run(*words, cwd=tmp_path).stdout)
    assert content.keys() == {'metrics', 'classes'}
    assert 0 <= content['metrics']['accuracy/top1'] <= 100
    assert {'accuracy/top1-low', 'accuracy/balanced'} < content['metrics'].keys()
    assert json.loads(run(*words, '--report', 'report', cwd=tmp_path).stdout) == content
    assert content['metrics'] == json.loads(Path('report/report.json').read_text())['metrics']
    assert [one['name'] for one in content['classes']] == sorted(['ape', HOSTILE, 'cat'])
    assert {one['support'] for one in content['classes']} == {4}
    assert content['classes'][0].keys() == {'name', 'precision', 'recall', 'f1', 'support'}


def test_problems_of_a_folder(output):
    write_classes('data', ['ape', HOSTILE], 2)
    text, code = output('check-data', 'data')
    assert code == 0
    content = json.loads(text)
    assert content['problems'] == []
    assert set(content['splits']['data']['classes']) == {'ape', HOSTILE}
    Path('data/ape/bad.png').write_bytes(b'x')
    text, code = output('check-data', 'data', '--out', 'x.json')
    assert code == 1
    content = json.loads(text)
    assert content == json.loads(Path('x.json').read_text())
    (problem,) = content['problems']
    assert problem.keys() == {'kind', 'path', 'reason'}
    assert (problem['kind'], problem['path']) == ('unreadable', 'ape/bad.png')
    assert problem['kind'] in KINDS


def test_mistakes(fails):
    for words, message in (
        (['x.png', '--json', '--out', 'x.csv'], '--json and --out: exclude each other'),
        (['x.png', '--out', '-'], 'give --json for JSON lines on standard output'),
    ):
        assert message in fails('predict', *words)
