"""Each engine computes the same features as the network."""

import numpy as np
import pytest
import torch

import wrn
from wrn.deploy.engines import EngineError
from wrn_base.errors import WrnError

DIGITS = 'wide-resnet16-2_1xb64_digits'
# Runtimes add in different orders, which changes the last of float32's 24 bits.
TOLERANCE = 2e-5

engines = pytest.mark.parametrize(
    'backend',
    [
        'fused',
        pytest.param('compile', marks=pytest.mark.slow),
        'onnxruntime',
        'openvino',
        'ncnn',
    ],
)


def require(backend):
    for module in {
        'onnxruntime': ('onnx', 'onnxscript', 'onnxruntime'),
        'openvino': ('openvino',),
        'ncnn': ('onnx', 'onnxscript', 'ncnn', 'pnnx'),
    }.get(backend, ()):
        pytest.importorskip(module)


@pytest.fixture
def imagenet(tmp_path, randomize):
    """The arguments of get_model for a narrow wide-resnet50 with random weights."""
    kwargs = dict(backbone=dict(base_channels=8), head=None, neck=None)
    network = randomize(wrn.get_model('wide-resnet50', **kwargs))
    torch.save(network.state_dict(), tmp_path / 'random.pth')
    return dict(model='wide-resnet50', pretrained=tmp_path / 'random.pth', **kwargs)


def assert_close(ours, expected):
    for features, maps in zip(ours, expected, strict=True):
        assert features.shape == maps.shape
        bound = TOLERANCE * np.abs(maps).max()
        np.testing.assert_allclose(features, maps, rtol=0, atol=bound)


@engines
def test_extract_feat(imagenet, backend):
    require(backend)
    imagenet['backbone']['out_indices'] = (1, 2)
    eager = wrn.get_model(**imagenet)
    engine = wrn.get_model(**imagenet, backend=backend, batch_size=2)
    inputs = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = eager.extract_feat(inputs)
    assert [tuple(maps.shape[1:]) for maps in expected] == [(64, 28, 28), (128, 14, 14)]
    assert_close(engine.extract_feat(inputs), [maps.numpy() for maps in expected])


@engines
@pytest.mark.parametrize('pool', [False, True])
def test_extract_features(checkout, backend, pool):
    require(backend)
    arguments = (DIGITS, checkout / 'demo', ('layer3', 'layer1'), pool)
    expected = wrn.extract_features(*arguments)
    ours = wrn.extract_features(*arguments, backend=backend, batch_size=2)
    assert list(ours) == ['layer3', 'layer1']
    assert_close(ours.values(), expected.values())


def test_features_need_an_eager_model_or_a_known_backend(checkout):
    fused = wrn.get_model(DIGITS, True, backend='fused')
    with pytest.raises(
        WrnError, match=r'^DeployedClassifier: has no stages .* not already run in a backend'
    ):
        wrn.extract_features(fused, checkout / 'demo')
    with pytest.raises(EngineError, match="backend 'magic': unknown"):
        wrn.extract_features(DIGITS, checkout / 'demo', backend='magic')
