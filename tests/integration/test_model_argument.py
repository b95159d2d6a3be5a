"""Commands take published, fine-tuned and exported files and configs wherever they take a name."""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import wrn
from wrn.checkpoints import read_checkpoint, write_weights
from wrn.deploy.export import FORMATS
from wrn.utils.files import hash_file
from wrn_base.cli import main

DIGITS = 'wide-resnet16-2_1xb64_digits'


def accuracy(output):
    return re.findall(r'^ accuracy +(.+\))', output, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize(
    'kind', ['weights', 'onnx', pytest.param('openvino', marks=pytest.mark.ci)]
)
def test_testing_a_file_equals_testing_its_name(run, tmp_path, kind, digits_weights):
    model = Path(digits_weights)
    if kind != 'weights':
        # The export reads the network from the file.
        model = tmp_path / f'digits{FORMATS[kind].suffix}'
        main(['export', digits_weights, '--format', kind, '--out', str(model), '--softmax'])
    done = run('wrn', 'test', model, '--work-dir', tmp_path / 'run', '--out', tmp_path / 'x.csv')
    assert accuracy(done.stdout) == ['99.2 % (352 of 355; 95 % interval 97.5 to 99.7)']
    assert f'wrn: {model}: tested on the images of configs/_base_' in done.stderr
    named = run('wrn', 'test', DIGITS, '--work-dir', tmp_path / 'run', '--out', tmp_path / 'y.csv')
    assert accuracy(named.stdout) == accuracy(done.stdout)
    rows = [(tmp_path / name).read_text().splitlines() for name in ('x.csv', 'y.csv')]
    assert len(rows[0]) == len(rows[1]) == 356
    assert rows[0][0] == rows[1][0]


@pytest.fixture
def folder(tmp_path):
    """40 digits in class folders."""
    digits = load_digits()
    for i in range(40):
        path = tmp_path / 'digits' / str(digits.target[i]) / f'{i:02}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((digits.images[i] * (255 / 16)).astype('uint8')).save(path)
    return tmp_path / 'digits'


@pytest.fixture
def trained_on_folders(tmp_path, digits_weights):
    """The embedded weights, with a config as if they were trained on class folders."""
    checkpoint = read_checkpoint(digits_weights)
    meta = checkpoint['meta']
    old = "type='Digits'"
    assert old in meta['cfg']
    load = "pipeline=[dict(type='LoadImageFromFile'), "
    text = re.sub(r'pipeline=\[\s*', load, meta['cfg'].replace(old, "type='CustomDataset'"))
    meta['cfg'] = text.replace('to_rgb=False', 'to_rgb=True')
    return write_weights(tmp_path, 'pets.pth', checkpoint['state_dict'], meta)


def test_a_fine_tuned_file_needs_its_data_root(run, fails, tmp_path, folder, trained_on_folders):
    command = ['test', trained_on_folders, '--work-dir', tmp_path / 'run']
    assert 'has no data folder; add --data FOLDER' in fails(*command)
    done = run('wrn', *command, '--cfg-options', f'test_dataloader.dataset.data_root={folder}')
    expected = wrn.inference_model(trained_on_folders, folder)
    correct = sum(Path(r['img_path']).parent.name == r['pred_class'] for r in expected)
    (shown,) = accuracy(done.stdout)
    assert shown.startswith(f'{100 * correct / 40:.1f} % ({correct} of 40; ')


def test_info(capsys, digits_weights, exported_digits):
    for model, facts in (
        (digits_weights, ['depth 16, widen factor 2, 10 classes', 'Apache-2.0', '691,674']),
        (exported_digits('onnx'), ['float32, NCHW, RGB', 'logits', 'digits']),
        ('wide-resnet50_8xb32_in1k', ['WideResNet, depth 50', '1000', '68,883,240', 'config only']),
        (DIGITS, ['99.15 % on scikit-learn digits', 'Apache-2.0', '691,674']),
        ('resnet18_8xb32_in1k', ['69.90 % on ImageNet-1k', '11,690,000']),
    ):
        main(['info', str(model)])
        output = capsys.readouterr().out
        assert [fact for fact in facts if fact not in output] == []
        if Path(model).is_file():
            assert hash_file(model) in output
            assert '10: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9' in output
        if 'config only' not in facts and 'resnet18' not in str(model):
            assert 'mean [127.5, 127.5, 127.5]' in output


def test_info_on_weights_without_a_config(capsys, tmp_path, digits_weights):
    torch.save(read_checkpoint(digits_weights)['state_dict'], tmp_path / 'plain.pth')
    main(['info', str(tmp_path / 'plain.pth')])
    output = capsys.readouterr().out
    assert 'depth 16, widen factor 2, 10 classes' in output
    assert 'the activation ReLU' in output
    assert 'the mean 125.3' in output


@pytest.mark.parametrize('command', ['train', 'overfit'])
def test_a_file_has_no_training_settings(command, fails, digits_weights):
    assert f'{digits_weights}: has no training settings; give a config' in fails(
        command, digits_weights
    )


@pytest.mark.parametrize('command', ['test', 'info', 'train', 'export --format onnx', 'convert'])
def test_an_ambiguous_name_is_an_error_in_each_command(command, fails):
    name, *options = command.split()
    assert 'means several sets of weights' in fails(name, 'wide_resnet50_2', *options)


def test_converting_a_name_equals_converting_its_file(tmp_path, digits_weights, capsys):
    for i, model in enumerate((DIGITS, f'wrn://{DIGITS}', digits_weights)):
        main(['convert', model, f'x{i}.safetensors', '--folder', str(tmp_path)])
    hashes = {path.stem.rpartition('-')[2] for path in tmp_path.iterdir()}
    assert hashes == {Path(digits_weights).stem.rpartition('-')[2]}


def test_arguments_of_inference_model(checkout):
    image = checkout / 'demo' / 'digit_7.png'
    result = wrn.inference_model(DIGITS, image, topk=3)
    best = result['pred_scores'].argsort()[::-1][:3]  # the classes are the digits
    assert [p['pred_class'] for p in result['predictions']] == [str(i) for i in best]
    assert result['predictions'][0]['pred_score'] == result['pred_score']
    assert 'predictions' not in wrn.inference_model(DIGITS, image)
    with pytest.raises(
        TypeError, match="unknown argument 'calibraton'; did you mean 'calibration'"
    ):
        wrn.inference_model(DIGITS, image, calibraton='x')
    with pytest.raises(TypeError, match="unknown argument 'batchsize'; did you mean 'batch_size'"):
        wrn.inference_model(DIGITS, image, batchsize=3)
