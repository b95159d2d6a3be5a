"""Exported files that are damaged, crafted, or none of ours end in one line, and run nothing."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import torch

from wrn.deploy.engines.graph import quiet
from wrn.deploy.export import load_exported
from wrn.deploy.export.archive import METADATA, write_archive
from wrn.utils.errors import WrnError

TORCH_FORMATS = ('torchscript', 'torch-export')
MODULES = {'onnx': ('onnxscript', 'onnxruntime'), 'openvino': ('openvino',)}
FORMATS = (*MODULES, *TORCH_FORMATS)


@pytest.fixture
def copy(exported_digits, tmp_path):
    """Copy an exported file, to be damaged."""

    def copy(format, **options):
        for module in MODULES.get(format, ()):
            pytest.importorskip(module)
        source = exported_digits(format, **options)
        for file in source.parent.glob(f'{source.stem}.*'):
            shutil.copy(file, tmp_path)
        return tmp_path / source.name

    return copy


def refusal(path):
    with pytest.raises(WrnError) as error:
        load_exported(path)
    message = str(error.value)
    assert message.startswith(f'{path}: ')
    assert '\n' not in message
    return message


def rewrite(path, **changes):
    """Change entries of an archive: a function from the content of each to another."""
    with zipfile.ZipFile(path) as archive:
        entries = {name.partition('/')[2]: archive.read(name) for name in archive.namelist()}
    for name, change in changes.items():
        (whole,) = [entry for entry in entries if entry.endswith(name)]
        entries[whole] = change(entries[whole])
    write_archive(path, 'x', entries.items())


def rewrite_metadata(path, change):
    """Change what a file says of itself."""

    def rewritten(text):
        values = json.loads(text)
        change(values)
        return json.dumps(values)

    if path.suffix == '.onnx':
        import onnx

        model = onnx.load(path)
        model.metadata_props[0].value = rewritten(model.metadata_props[0].value)
        onnx.save(model, path)
    elif path.suffix == '.xml':
        import openvino

        model = openvino.Core().read_model(path)
        text = rewritten(model.get_rt_info(['wrn']).astype(str))
        model.set_rt_info(text, ['wrn'])
        openvino.save_model(model, path.with_name('y.xml'), compress_to_fp16=False)
        del model
        path.with_name('y.xml').replace(path)
    else:
        rewrite(path, **{METADATA: lambda text: rewritten(text).encode()})


@pytest.mark.parametrize('format', FORMATS)
def test_damaged_files(format, copy):
    path = copy(format)
    load_exported(path)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b'', np.random.default_rng(0).bytes(5000)):
        path.write_bytes(damaged)
        refusal(path)
    path.unlink()
    assert 'there is no such file' in refusal(path)


@pytest.mark.parametrize('format', FORMATS)
def test_a_flipped_bit(format, copy):
    path = copy(format)
    weights = path.with_suffix('.bin') if format == 'openvino' else path
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize('format', FORMATS)
def test_wrong_metadata(format, copy):
    path = copy(format)

    def later_format(values):
        values['format'] = 2

    def other_size(values):
        values['size'] = [8, 1 << 20]

    def code(values):
        values['format'] = 1
        values['size'] = [16, 16]
        values['pipeline'] = [dict(type='os.system', command='echo')]

    def classes(values):
        values['pipeline'] = [dict(type='PackInputs')]
        values['num_classes'] = 3
        values['classes'] = None

    rewrite_metadata(path, later_format)
    assert 'format 2' in refusal(path)
    rewrite_metadata(path, lambda values: values.update(format=1) or other_size(values))
    assert 'wrong at size' in refusal(path)
    rewrite_metadata(path, code)
    assert 'os.system' in refusal(path)
    rewrite_metadata(path, classes)
    assert 'is not the network that its metadata says' in refusal(path)


@pytest.mark.parametrize('format', TORCH_FORMATS)
def test_torch_files_without_metadata(format, copy, tmp_path):
    path = copy(format)
    with zipfile.ZipFile(path) as archive:
        entries = [
            (name.partition('/')[2], archive.read(name))
            for name in archive.namelist()
            if METADATA not in name
        ]
    write_archive(path, 'x', entries)
    assert 'does not say how its pictures are prepared' in refusal(path)


def test_onnx_without_metadata_or_of_another_version(copy):
    onnx = pytest.importorskip('onnx')
    path = copy('onnx')
    whole = onnx.load(path)
    for change, reason in (
        (lambda model: model.ClearField('metadata_props'), 'does not say how'),
        (lambda model: setattr(model, 'ir_version', 99), 'ONNX Runtime does not take it'),
        (lambda model: setattr(model.opset_import[0], 'version', 999), 'does not take it'),
        (lambda model: setattr(model.graph.node[0], 'domain', 'com.example'), 'com.example'),
    ):
        model = onnx.ModelProto()
        model.CopyFrom(whole)
        change(model)
        onnx.save(model, path)
        assert reason in refusal(path)


def test_onnx_does_not_read_other_files(copy):
    onnx = pytest.importorskip('onnx')
    path = copy('onnx')
    model = onnx.load(path)
    tensor = max(model.graph.initializer, key=lambda item: len(item.raw_data))
    onnx.external_data_helper.set_external_data(tensor, '../secret', length=len(tensor.raw_data))
    tensor.ClearField('raw_data')
    onnx.save(model, path)
    assert 'weights in other files' in refusal(path)


def test_openvino_pairs(copy, tmp_path):
    pytest.importorskip('openvino')
    path = copy('openvino')
    weights = path.with_suffix('.bin')
    content = bytearray(weights.read_bytes())
    content[5000] ^= 1
    weights.write_bytes(content)
    assert 'digits.bin is damaged, or of another export' in refusal(path)
    weights.write_bytes(content[:-10])
    refusal(path)
    weights.unlink()
    assert 'digits.bin, must lie beside it' in refusal(path)


def test_openvino_of_another_version(copy):
    pytest.importorskip('openvino')
    path = copy('openvino')
    path.write_text(path.read_text().replace('version="11"', 'version="99"'))
    assert 'OpenVINO does not take it' in refusal(path)
    copy('openvino')
    path.write_text(path.read_text().replace('version="opset1"', 'version="opset99"'))
    assert 'OpenVINO does not take it' in refusal(path)


class Writes(torch.nn.Module):
    """Writes a file when it is called."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def forward(self, inputs):
        torch.save(inputs, self.path)
        return inputs


class WritesWhenLoaded(torch.nn.Module):
    """Writes a file when it is loaded."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    @torch.jit.export
    def __getstate__(self):
        return (self.path, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]):
        self.path = state[0]
        self.training = state[1]
        torch.save(state, self.path)

    def forward(self, inputs):
        return inputs


@pytest.mark.filterwarnings('ignore:.torch.jit.*is deprecated:FutureWarning')
@pytest.mark.parametrize('kind', [Writes, WritesWhenLoaded])
def test_code_in_torchscript_is_not_run(kind, tmp_path, copy):
    written, path = tmp_path / 'written', tmp_path / 'x.torchscript'
    about = zipfile.ZipFile(copy('torchscript')).read(f'digits/extra/{METADATA}').decode()
    script = torch.jit.script(kind(str(written)))
    torch.jit.save(script, str(path), _extra_files={METADATA: about})
    # The file does what it is crafted for ...
    torch.jit.load(path)(torch.ones(1, 3, 16, 16))
    written.unlink()
    # ... but not here.
    message = refusal(path)
    assert 'torch.save' in message
    assert not written.exists()


@pytest.mark.parametrize(
    ('code', 'named'),
    [
        (b'torch.from_file("/etc/passwd")', 'from_file'),
        (b'ops.aten.save(inputs, "x")', 'ops.aten.save'),
        (b'self.training', 'self.training'),
        (b'inputs + inputs', 'inputs + inputs'),
        (b'__import__("os").system("true")', "__import__('os').system"),
        (b'torch.relu(inputs, out=os)', "'os'"),
        (b'[torch.relu(x) for x in inputs]', 'for x in inputs'),
    ],
)
def test_other_code_in_torchscript_is_refused_by_name(code, named, copy):
    path = copy('torchscript')
    rewrite(path, **{'.py': lambda text: text[: text.index(b'return')] + b'return ' + code})
    assert named in refusal(path)


def test_pickles_in_torchscript_are_not_run(copy, calls, tmp_path):
    path = copy('torchscript')
    written = tmp_path / 'written'
    buffer = io.BytesIO()
    torch.save((calls(shutil.copy, str(path), str(written)),), buffer)
    pickled = zipfile.ZipFile(buffer).read('archive/data.pkl')
    rewrite(path, **{'constants.pkl': lambda _: pickled, 'data.pkl': lambda _: pickled})
    assert 'refused, because of its constants' in refusal(path)
    assert not written.exists()


def crafted_program(path, change):
    def changed(text):
        program = json.loads(text)
        change(program)
        return json.dumps(program).encode()

    rewrite(path, **{'models/model.json': changed})


def nodes(program):
    return program['graph_module']['graph']['nodes']


def test_other_operators_in_torch_export_are_refused_by_name(copy):
    for target in ('torch.ops.aten.from_file.default', 'torch.ops.wrn.x', 'os.system', 'eval'):
        path = copy('torch-export')
        crafted_program(path, lambda program: nodes(program)[1].update(target=target))  # noqa: B023
        name = target.removeprefix('torch.ops.aten.').removesuffix('.default')
        assert f'the operator {name}' in refusal(path)


def test_names_of_arguments_in_torch_export_are_not_run(copy, tmp_path):
    path = copy('torch-export')
    code = f'x=open({str(tmp_path / "written")!r}, "w"), memory_format'

    def change(program):
        (node,) = [node for node in nodes(program) if node['inputs'][-1]['kind'] == 2][:1]
        node['inputs'][-1]['name'] = code

    crafted_program(path, change)
    assert 'contiguous' in refusal(path)
    assert not (tmp_path / 'written').exists()


def test_what_torch_export_would_evaluate_is_not_read(copy, calls, tmp_path):
    """torch's loader unpickles the inputs, and evaluates the text of shapes."""
    path = copy('torch-export')
    written = tmp_path / 'written'
    buffer = io.BytesIO()
    torch.save((calls(shutil.copy, str(path), str(written)),), buffer)
    rewrite(path, **{'sample_inputs/model.pt': lambda _: buffer.getvalue()})
    assert load_exported(path).num_classes == 10
    assert not written.exists()
    with quiet():
        torch.export.load(path)  # which runs it
    assert written.exists()


def test_pickled_weights_in_torch_export_are_refused(copy):
    path = copy('torch-export')

    def pickled(text):
        config = json.loads(text)
        for payload in config['config'].values():
            payload['use_pickle'] = True
        return json.dumps(config).encode()

    rewrite(path, **{'model_weights_config.json': pickled})
    assert 'refused' in refusal(path)


def test_weights_outside_of_their_bytes_are_refused(copy):
    for change in (
        lambda meta: meta.update(storage_offset=dict(as_int=1 << 40)),
        lambda meta: meta.update(sizes=[dict(as_int=1 << 40)], strides=[dict(as_int=0)]),
        lambda meta: meta.update(strides=[dict(as_int=1 << 30) for _ in meta['strides']]),
    ):
        path = copy('torch-export')

        def changed(text, change=change):
            config = json.loads(text)
            change(config['config']['network.classifier.head.fc.weight']['tensor_meta'])
            return json.dumps(config).encode()

        rewrite(path, **{'model_weights_config.json': changed})
        refusal(path)
