"""Exported files compute the same as the network, and preprocess images as its config does."""

import warnings

import pytest
import torch

import wrn
from wrn.config.config_file import read_config
from wrn.config.config_parts import get_test_dataset
from wrn.data.images import Preprocessing, collate, read_image
from wrn.deploy.engines.graph import quiet
from wrn.deploy.export import FORMATS, export, load_exported
from wrn.deploy.export.exported_file import make_classifier
from wrn.deploy.export.metadata import METADATA_FILE, describe_model, read_metadata
from wrn_base import model_index

NAMES = list(model_index.models())
MODULES = {'onnx': ('onnxscript', 'onnxruntime'), 'openvino': ('openvino',)}
CONVERTED = ('onnx', 'openvino')  # converting a deep network takes seconds
# Between 28 and 70 layers, with the same blocks as those.
DEEP = ('wide-resnet70-16', 'wide-resnet101')
BETWEEN = ('wide-resnet22-', 'wide-resnet34-10', 'wide-resnet40-')
QUICK = ('wide-resnet16-', 'wide-resnet18-')


def distinct_networks():
    """Return one model name for each network, not counting differences in width and head."""
    kinds = {}
    for name in NAMES:
        backbone = read_config(model_index.find(name).config).model.backbone.to_dict()
        sizes = (
            'widen_factor',
            'drop_rate',
            'drop_path_rate',
            'init_cfg',
        )  # no dropping in eval mode
        kinds.setdefault(str({k: v for k, v in backbone.items() if k not in sizes}), name)
    return list(kinds.values())


def narrow_config(name, size=None):
    """Read a model's config; make its network an eighth as wide, and its images of a size."""
    config = read_config(model_index.find(name).config)
    config.model.backbone.base_channels = 8 if config.model.backbone.type == 'WideResNet' else 2
    config.model.head.in_channels //= 8
    config.load_from = None
    for step in get_test_dataset(config).pipeline if size else ():
        if step.type == 'Resize':
            step.scale = size[::-1]
        elif step.type == 'ResizeEdge':
            step.scale = min(size) + 8
        elif step.type == 'CenterCrop':
            step.crop_size = size[::-1]
    return config


def load(path):
    """Load a file as a classifier, with torch's own loader for its formats."""
    extra = {METADATA_FILE: ''}
    if path.suffix == '.torchscript':
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # deprecated
            network = torch.jit.load(path, _extra_files=extra)
    elif path.suffix == '.pt2':
        with quiet():
            network = torch.export.load(path, extra_files=extra).module()
    else:
        return load_exported(path)
    text = extra[METADATA_FILE]
    return make_classifier(
        lambda inputs: (network(inputs),),
        read_metadata(text if isinstance(text, str) else text.decode(), str(path)),
        path,
    )


def cases():
    for i, name in enumerate(distinct_networks()):
        for format in FORMATS:
            if format in CONVERTED and name.startswith(BETWEEN):
                continue
            slow = not name.startswith(QUICK if format in CONVERTED else ('wide-resnet50', *QUICK))
            # Covers each option with each format, and both options with each network.
            options = (i % 2 == 0, (i // 2 + len(format)) % 2 == 0)
            deep = name.startswith(DEEP)
            marks = [*[pytest.mark.slow] * slow, *[pytest.mark.ci] * deep]
            yield pytest.param(name, format, *options, marks=marks)


@pytest.mark.parametrize(('name', 'format', 'preprocess', 'softmax'), list(cases()))
def test_outputs_match_the_network(
    name, format, preprocess, softmax, randomize, tmp_path, monkeypatch
):
    for module in MODULES.get(format, ()):
        pytest.importorskip(module)
    network = randomize(wrn.get_model(narrow_config(name, (41, 35))))
    path = tmp_path / f'x{FORMATS[format].suffix}'
    exported = export(network, name, format, path, preprocess, softmax)
    assert exported.difference.maximum < 1e-5
    loaded = load(path)
    generator = torch.Generator().manual_seed(1)
    for batch_size in (1, 2, 5):
        pixels = torch.randint(0, 256, (batch_size, 3, 41, 35), generator=generator)
        pixels = pixels.to(torch.uint8)
        outputs = []
        for model in (network, loaded):
            inputs = model.data_preprocessor(dict(inputs=pixels))['inputs']
            with torch.no_grad():
                samples = model(inputs, mode='predict')
            outputs.append(torch.stack([sample.pred_score for sample in samples]))
        torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-4, atol=1e-6)
        assert outputs[0].max() < 0.999  # or differences would not show


@pytest.mark.ci
@pytest.mark.slow
@pytest.mark.parametrize('format', CONVERTED)
def test_whole_network(format, randomize, tmp_path):
    for module in MODULES.get(format, ()):
        pytest.importorskip(module)
    network = randomize(wrn.get_model('wide-resnet50'))
    path = tmp_path / f'x{FORMATS[format].suffix}'
    exported = export(network, 'wide-resnet50', format, path)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    size = sum(part.stat().st_size for part in exported.paths)
    assert 3.99 * parameters < size < 4.1 * parameters  # norms are folded
    assert exported.difference.maximum < 1e-4


@pytest.mark.parametrize('name', NAMES)
def test_metadata_preprocesses_like_the_config(name, photographs):
    """The metadata of a file makes the same inputs of an image as the model's config."""
    config = narrow_config(name)
    config.model.backbone.depth = 18 if config.model.backbone.type == 'WideResNet' else 16
    network = wrn.get_model(config)  # its head does not match, but is not run
    image = read_image(photographs[0])
    expected = network.data_preprocessor(
        dict(inputs=collate([Preprocessing(network._config)(image)]))
    )['inputs']
    for preprocess in (False, True):
        written = describe_model(network, name, preprocess, False, 'float32')
        read = read_metadata(written.to_json(), name)
        assert read == written
        config = read.to_config(name)
        pixels = collate([Preprocessing(config)(image)])
        preprocessor = wrn.zoo.factory.MODELS.build(config.data_preprocessor)
        inputs = preprocessor(dict(inputs=pixels))['inputs']
        assert [*inputs.shape[2:]] == read.size
        if preprocess:
            mean, std = (torch.tensor(x).view(3, 1, 1) for x in (read.mean, read.std))
            inputs = (inputs - mean) / std
        torch.testing.assert_close(inputs, expected, rtol=0, atol=0)


def test_networks_that_take_bgr(randomize, tmp_path):
    """Export a network with a config that loads BGR images and does not convert them."""
    config = narrow_config('wide-resnet18-1_8xb32_in1k', (33, 33))
    config.data_preprocessor.update(to_rgb=False, mean=[1.0, 20.0, 100.0], std=[50.0, 60.0, 70.0])
    network = randomize(wrn.get_model(config))
    pixels = torch.randint(0, 256, (2, 33, 33, 3), dtype=torch.uint8)
    bgr = pixels.flip(-1).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = network(network.data_preprocessor(dict(inputs=bgr))['inputs'])
    path = tmp_path / 'x.torchscript'
    plain = export(network, 'x', 'torchscript', path).metadata
    assert (plain.channel_order, plain.mean) == ('BGR', [1.0, 20.0, 100.0])
    path = tmp_path / 'y.torchscript'
    inside = export(network, 'x', 'torchscript', path, preprocess=True).metadata
    assert (inside.channel_order, inside.mean) == ('RGB', [100.0, 20.0, 1.0])
    loaded = load(path)
    outputs = loaded(loaded.data_preprocessor(dict(inputs=bgr))['inputs'])
    torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-5)
