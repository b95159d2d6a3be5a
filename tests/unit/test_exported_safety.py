"""Damaged, crafted and foreign files end in an error of one line, and run nothing."""

import json
import os
import shutil

import numpy as np
import pytest

from wrn.deploy.export import load_exported
from wrn_base.errors import WrnError

MODULES = {'onnx': ('onnxscript', 'onnxruntime'), 'openvino': ('openvino',)}


@pytest.fixture
def copy(exported_digits, tmp_path):
    """Copy an exported file, so that a test can damage it."""

    def copy(format, **options):
        for module in MODULES.get(format, ()):
            pytest.importorskip(module)
        path = exported_digits(format, **options)
        for file in path.parent.glob(f'{path.stem}.*'):
            shutil.copy(file, tmp_path)
        return tmp_path / path.name

    return copy


def refusal(path):
    with pytest.raises(WrnError) as error:
        load_exported(path)
    message = str(error.value)
    assert message.startswith(f'{path}: ')
    assert '\n' not in message
    return message


def rewrite_metadata(path, change):
    """Change the metadata of a file."""

    def rewritten(text):
        values = json.loads(text)
        change(values)
        return json.dumps(values)

    if path.suffix == '.onnx':
        import onnx

        model = onnx.load(path)
        model.metadata_props[0].value = rewritten(model.metadata_props[0].value)
        onnx.save(model, path)
    else:
        import openvino

        model = openvino.Core().read_model(path)
        text = rewritten(model.get_rt_info(['wrn']).astype(str))
        model.set_rt_info(text, ['wrn'])
        openvino.save_model(model, path.with_name('y.xml'), compress_to_fp16=False)
        del model
        path.with_name('y.xml').replace(path)


@pytest.mark.parametrize('format', MODULES)
def test_damaged_files(format, copy):
    path = copy(format)
    load_exported(path)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b'', np.random.default_rng(0).bytes(5000)):
        path.write_bytes(damaged)
        refusal(path)
    path.unlink()
    assert 'the file does not exist' in refusal(path)


@pytest.mark.parametrize('suffix', ['.onnx', '.xml'])
def test_pipes_are_not_opened(tmp_path, suffix):
    path = tmp_path / f'f{suffix}'
    os.mkfifo(path)
    assert 'the file cannot be read (not a file, but a pipe, socket' in refusal(path)


@pytest.mark.parametrize('format', MODULES)
def test_flipped_bit(format, copy):
    path = copy(format)
    weights = path.with_suffix('.bin') if format == 'openvino' else path
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize('format', MODULES)
def test_wrong_metadata(format, copy):
    path = copy(format)

    def later_format(values):
        values['format'] = 2

    def other_size(values):
        values['size'] = [8, 1 << 20]

    def unknown_step(values):
        values['format'] = 1
        values['size'] = [16, 16]
        values['pipeline'] = [dict(type='os.system', command='echo')]

    def other_classes(values):
        values['pipeline'] = [dict(type='PackInputs')]
        values['num_classes'] = 3
        values['classes'] = None

    rewrite_metadata(path, later_format)
    assert 'format 2' in refusal(path)
    rewrite_metadata(path, lambda values: values.update(format=1) or other_size(values))
    assert 'invalid at size' in refusal(path)
    rewrite_metadata(path, unknown_step)
    assert 'os.system' in refusal(path)
    rewrite_metadata(path, other_classes)
    assert 'the network does not match the metadata' in refusal(path)


@pytest.mark.parametrize('format', MODULES)
@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (dict(softmax=True), 'softmax is True there'),
        (dict(std=[0.0, 1.0, 1.0]), 'invalid at std'),
        (dict(mean=[float('nan')] * 3), 'invalid at mean'),
        (dict(mean=[127.5] * 5), 'invalid at mean'),
        (dict(pipeline=[dict(type='ResizeEdge', scale=12000)]), 'ResizeEdge has scale=12000'),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_values_in_the_metadata_are_bounded(format, change, reason, copy):
    path = copy(format)
    rewrite_metadata(path, lambda values: values.update(change))
    assert reason in refusal(path)


@pytest.mark.parametrize('format', ['torchscript', 'torch-export'])
def test_torch_formats_are_not_loaded(format, copy):
    """torch's loaders run code from such a file, so it is refused unread."""
    path = copy(format)
    path.write_bytes(b'whatever it holds')
    assert f"{format} files are for torch's own loader" in refusal(path)
    assert '.onnx or .xml' in refusal(path)


def test_onnx_without_metadata_or_of_another_version(copy):
    onnx = pytest.importorskip('onnx')
    path = copy('onnx')
    whole = onnx.load(path)
    for change, reason in (
        (
            lambda model: model.ClearField('metadata_props'),
            'has no metadata about its preprocessing',
        ),
        (lambda model: setattr(model, 'ir_version', 99), 'ONNX Runtime cannot load it'),
        (
            lambda model: setattr(model.opset_import[0], 'version', 999),
            'ONNX Runtime cannot load it',
        ),
        (lambda model: setattr(model.graph.node[0], 'domain', 'com.example'), 'com.example'),
    ):
        model = onnx.ModelProto()
        model.CopyFrom(whole)
        change(model)
        onnx.save(model, path)
        assert reason in refusal(path)


def test_onnx_with_external_weights(copy):
    onnx = pytest.importorskip('onnx')
    path = copy('onnx')
    model = onnx.load(path)
    tensor = max(model.graph.initializer, key=lambda item: len(item.raw_data))
    onnx.external_data_helper.set_external_data(tensor, '../secret', length=len(tensor.raw_data))
    tensor.ClearField('raw_data')
    onnx.save(model, path)
    assert 'weights in other files' in refusal(path)


def test_openvino_with_wrong_weights(copy):
    pytest.importorskip('openvino')
    path = copy('openvino')
    weights = path.with_suffix('.bin')
    content = bytearray(weights.read_bytes())
    content[5000] ^= 1
    weights.write_bytes(content)
    assert 'digits.bin is damaged or from another export' in refusal(path)
    weights.write_bytes(content[:-10])
    refusal(path)
    weights.unlink()
    assert 'digits.bin, does not exist; copy both files into the same folder' in refusal(path)


def test_openvino_of_another_version(copy):
    pytest.importorskip('openvino')
    path = copy('openvino')
    path.write_text(path.read_text().replace('version="11"', 'version="99"'))
    assert 'OpenVINO cannot load it' in refusal(path)
    copy('openvino')
    path.write_text(path.read_text().replace('version="opset1"', 'version="opset99"'))
    assert 'OpenVINO cannot load it' in refusal(path)
