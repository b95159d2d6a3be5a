"""``wrn export``, and the use of its files."""

import importlib.util
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import sklearn.datasets
import torch
from PIL import Image

import wrn
from wrn.data.images import Preprocessing
from wrn.deploy.export import FORMATS, export
from wrn.deploy.export.formats.export_format import ReadableFormat
from wrn.deploy.export.formats.torchscript import TorchScriptFormat
from wrn_base import model_index
from wrn_base.cli import main

DIGITS = 'wide-resnet16-2_1xb64_digits'
BLOCKED = ('wrn', 'mmpretrain', 'mmengine', 'mmcv')

READABLE = [name for name, kind in FORMATS.items() if isinstance(kind, ReadableFormat)]


@pytest.fixture(scope='module')
def digits():
    """Some of scikit-learn's digits, as images."""
    images = sklearn.datasets.load_digits().images[:40]
    return [Image.fromarray((image * 15.9).astype(np.uint8)) for image in images]


@pytest.mark.parametrize('format', READABLE)
def test_predictions_match_the_model(format, exported_digits, checkout, tmp_path, capsys):
    def predict(*options):
        main(['predict', str(checkout / 'demo'), '--json', *map(str, options)])
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    expected = predict()
    for preprocess, softmax in ((False, False), (True, True)):
        path = exported_digits(format, preprocess=preprocess, softmax=softmax)
        for ours, theirs in zip(predict('--model', path), expected, strict=True):
            assert ours['img_path'] == theirs['img_path']
            for one, other in zip(ours['predictions'], theirs['predictions'], strict=True):
                assert one['pred_class'] == other['pred_class']
                assert one['pred_score'] == pytest.approx(other['pred_score'], abs=1e-5)


@pytest.mark.parametrize('format', READABLE)
def test_file_as_a_model_in_python(format, exported_digits, checkout, digits):
    path = exported_digits(format)
    image = str(checkout / 'demo/digit_7.png')
    assert wrn.inference_model(path, image)['pred_class'] == '7'
    model = wrn.get_model(str(path), pretrained=True)
    results = wrn.inference_model(model, digits, batch_size=7)
    expected = wrn.inference_model(DIGITS, digits, batch_size=7)
    assert [r['pred_label'] for r in results] == [r['pred_label'] for r in expected]
    with pytest.raises(wrn.zoo.factory.WrnError, match='computes logits, not features'):
        model.extract_feat(torch.zeros(1, 3, 16, 16))
    for options in (dict(pretrained='x.pth'), dict(backend='fused'), dict(head=None)):
        with pytest.raises(
            wrn.zoo.factory.WrnError, match='give no other weights, backend or options'
        ):
            wrn.get_model(str(path), **options)


def test_command_reports_what_it_wrote(tmp_path, monkeypatch, capsys, digits_weights):
    monkeypatch.chdir(tmp_path)
    main(['export', DIGITS, '--format', 'torchscript'])
    output = capsys.readouterr().out
    path = tmp_path / f'{DIGITS}.torchscript'
    assert f'wrote {path.name}: {path.stat().st_size / 1e6:.2f} MB' in output
    assert 'top-1 agrees in 100.00% (4 images)' in output
    assert "use it with torch's loader: see docs/export.md" in output
    main(['export', digits_weights, '--format', 'torch-export', '--out', 'x.pt2', '--softmax'])
    assert 'output: probabilities' in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([path.name, 'x.pt2'])
    # No file contains paths of this machine.
    for file in tmp_path.iterdir():
        assert str(model_index.root()).encode() not in file.read_bytes()
        assert b'site-packages' not in file.read_bytes()


@pytest.mark.ci
@pytest.mark.slow
def test_int8_and_float16_of_openvino(digits, tmp_path, capsys, exported_digits):
    (tmp_path / 'images').mkdir()
    for i, image in enumerate(digits):
        image.save(tmp_path / f'images/{i}.png')
    full_size = exported_digits('openvino').with_suffix('.bin').stat().st_size
    expected = wrn.inference_model(DIGITS, digits, batch_size=8)
    calibration = ['--calibration', str(tmp_path / 'images')]
    for precision, share, options in (
        ('int8', 0.26, calibration),
        ('int8', 0.26, [*calibration, '--preprocess', '--softmax']),
        ('float16', 0.51, []),
    ):
        path = tmp_path / f'{precision}-{len(options)}.xml'
        arguments = ['--format', 'openvino', '--precision', precision, '--out', str(path)]
        main(['export', DIGITS, *arguments, *options])
        size = path.with_suffix('.bin').stat().st_size
        assert size < share * full_size
        results = wrn.inference_model(path, digits, batch_size=8)
        agree = [a['pred_label'] == b['pred_label'] for a, b in zip(results, expected, strict=True)]
        assert np.mean(agree) >= 0.97


def test_wrong_arguments(fails, tmp_path, monkeypatch, exported_digits):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'x.onnx').mkdir()
    messages = {
        ('wide-resnet50', '--format', 'onnx'): 'no pretrained weights; the model is random; give',
        (DIGITS, '--format', 'onnx', '--out', 'x.pt2'): 'onnx is written as .onnx',
        (DIGITS, '--format', 'onnx', '--out', 'x.onnx'): 'is a folder',
        (
            DIGITS,
            '--format',
            'onnx',
            '--out',
            '/dev/null/y.onnx',
        ): 'cannot be written (Not a directory)',
        (DIGITS, '--format', 'onnx', '--precision', 'int8'): 'needs --format openvino',
        (DIGITS, '--format', 'onnx', '--calibration', 'x'): 'is only for --precision int8',
        (DIGITS, '--format', 'openvino', '--precision', 'int8'): 'with --calibration FOLDER',
        (exported_digits('onnx'), '--format', 'onnx'): 'already runs in a backend',
        (exported_digits('torchscript'), '--format', 'onnx'): "are for torch's own loader",
        ('none', '--format', 'onnx'): "unknown model 'none'",
    }
    for arguments, message in messages.items():
        assert message in fails('export', *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ['x.onnx']


@pytest.mark.parametrize('format', FORMATS)
def test_file_with_wrong_outputs_is_not_kept(format, tmp_path, monkeypatch):
    network = wrn.get_model(DIGITS, True)
    kind = type(FORMATS[format])
    path = tmp_path / f'x{kind.suffix}'
    path.write_text('good')
    path.with_suffix('.bin').write_text('weights')
    write = kind.write

    def write_wrong(self, content, path):
        content.network.network.classifier.head.fc.bias.data[3] += 9
        write(self, content, path)

    monkeypatch.setattr(kind, 'write', write_wrong)
    with pytest.raises(wrn.zoo.factory.WrnError, match=f'--format {format}.*differs from eager by'):
        export(network, 'x', format, path, overwrite=True)
    assert path.read_text() == 'good'
    assert path.with_suffix('.bin').read_text() == 'weights'
    assert len([*tmp_path.iterdir()]) == 2


@pytest.mark.parametrize('name', ['x.xml', 'x.bin'])
def test_a_device_is_not_replaced(fails, tmp_path, name):
    (tmp_path / name).symlink_to(os.devnull)
    command = ['export', DIGITS, '--format', 'openvino', '--out', tmp_path / 'x.xml']
    assert 'cannot be replaced (not a file, but a pipe, socket or device)' in fails(*command)
    assert (tmp_path / name).is_char_device()


def test_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    network = wrn.get_model(DIGITS, True)
    path = tmp_path / 'x.torchscript'
    path.write_text('good')
    for error in (OSError(28, 'No space left on device'), RuntimeError('unexpected pos 64 vs 0')):

        def write(self, content, path, error=error):
            path.write_text('half')
            raise error

        monkeypatch.setattr(TorchScriptFormat, 'write', write)
        with pytest.raises(wrn.zoo.factory.WrnError, match=r'x.torchscript: cannot be written \('):
            export(network, 'x', 'torchscript', path, overwrite=True)
    assert path.read_text() == 'good'
    assert len([*tmp_path.iterdir()]) == 1


def test_missing_runtime_is_named(exported_digits, fails, checkout, monkeypatch, tmp_path):
    paths = {'onnxruntime': exported_digits('onnx'), 'openvino': exported_digits('openvino')}
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        'importlib.util.find_spec',
        lambda name, *rest: None if name in paths else find_spec(name, *rest),
    )
    for module, path in paths.items():
        format = {'.onnx': 'onnx', '.xml': 'openvino'}[path.suffix]
        cure = f'{module} is not installed; pip install {module}'
        assert cure in fails('export', DIGITS, '--format', format, '--out', tmp_path / path.name)
        assert cure in fails('predict', checkout / 'demo', '--model', path)


def examples(checkout):
    text = (checkout / 'docs/export.md').read_text()
    codes = re.findall(r'^```python\n(.*?)^```', text, re.DOTALL | re.MULTILINE)
    assert len(codes) == len(FORMATS)
    return codes


@pytest.mark.parametrize('format', FORMATS)
def test_examples_run_with_the_runtime_only(format, exported_digits, checkout, tmp_path):
    (code,) = (code for code in examples(checkout) if f'digits{FORMATS[format].suffix}' in code)
    blocked = BLOCKED if 'torch' in format else (*BLOCKED, 'torch')
    inside = format == 'openvino'  # as in the document
    for file in exported_digits(format, preprocess=inside, softmax=inside).parent.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / 'demo').symlink_to(checkout / 'demo')
    block = f'import sys\nsys.modules.update(dict.fromkeys({blocked}))\n'
    command = [sys.executable, '-W', 'ignore', '-c', block + code]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[0] == '7'


def test_documented_imagenet_preprocessing(checkout, photographs):
    text = (checkout / 'docs/export.md').read_text()
    (code,) = re.findall(r'^```py\n(.*?)^```', text, re.DOTALL | re.MULTILINE)
    namespace = {'Image': Image}
    exec(code, namespace)
    config = wrn.config.config_file.read_config('configs/wrn/wide-resnet50_8xb32_in1k.py')
    for path in photographs:
        prepared = namespace['preprocess'](Image.open(path).convert('RGB'), 256, 224)
        expected = Preprocessing(config)(np.asarray(Image.open(path).convert('RGB'))[..., ::-1])
        np.testing.assert_array_equal(np.asarray(prepared)[..., ::-1], expected)
