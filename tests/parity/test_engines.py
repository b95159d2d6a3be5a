"""Each engine computes the same as the network, for every network of the package."""

import importlib.util

import numpy as np
import pytest
import torch

import wrn
from wrn.deploy.classifier import DeployedClassifier, deploy
from wrn.deploy.engines import EngineError, build, build_engine, verify
from wrn.deploy.engines.graph import NetworkGraph
from wrn.deploy.engines.ncnn import NcnnEngine
from wrn.deploy.engines.torch_engines import computes_natively
from wrn.deploy.export import export
from wrn.inference import Predictor
from wrn.models.folding import fold_batch_norm
from wrn_base.errors import WrnError

DIGITS = 'wide-resnet16-2_1xb64_digits'
MODULES = {
    'onnxruntime': ('onnxscript', 'onnxruntime'),
    'openvino': ('openvino',),
    'ncnn': ('onnxscript', 'ncnn', 'pnnx'),
}
# The other models of the index have the same networks with other weights. The options that change
# the arithmetic come with weights in other formats (docs/weights.md).
NETWORKS = {
    DIGITS: {},
    'wide-resnet28-2_8xb16_cifar10': {},
    'wide-resnet18-1.5_8xb32_in1k': {},
    'swish': dict(
        act_cfg=dict(type='Swish'), conv_cfg=dict(type='Conv2dAdaptivePadding'), widen_factor=2
    ),
    'usb': dict(
        act_cfg=dict(type='LeakyReLU', negative_slope=0.1),
        activate_before_residual=[True, False, False],
        conv_bias='stem',
        widen_factor=2,
    ),
    'drop': dict(kernel_sizes=(1, 3, 1), drop_rate=0.3, widen_factor=1.5),
}
LARGE = (
    'wide-resnet50_3rdparty_8xb32_in1k',
    'wide-resnet101_3rdparty_8xb32_in1k',
    'wide-resnet28-10_8xb16_cifar10',
)
AVAILABLE = [
    name for name, engine in build._ENGINES.items() if not engine.missing(torch.device('cpu'))
]
INSTALLED = [name for name in AVAILABLE if build._ENGINES[name].requires]
ENGINES = [name for name in AVAILABLE if name != 'compile']  # it takes half a minute per network


def require(*engines):
    for engine in engines:
        for module in MODULES.get(engine, ()):
            pytest.importorskip(module)


@pytest.fixture
def network(randomize):
    def network(name, **kwargs):
        backbone = NETWORKS.get(name, {})
        if name in NETWORKS and backbone:
            name = 'wide-resnet16-8_8xb16_cifar10'
            width = round(64 * backbone['widen_factor'])
            kwargs.update(backbone=backbone, head=dict(in_channels=width))
        return randomize(wrn.get_model(name, **kwargs)).requires_grad_(False)

    return network


def check(engine, model, size, batch_sizes=(1, 3)):
    """Compare outputs at several batch sizes, up to the rounding of sums in another order."""
    for batch_size in batch_sizes:
        inputs = torch.randn(batch_size, 3, *size)
        expected = model(inputs, mode='tensor')
        expected = expected if isinstance(expected, tuple) else (expected,)
        outputs = engine(inputs)
        assert len(outputs) == len(expected)
        for ours, theirs in zip(outputs, expected, strict=True):
            scale = theirs.abs().max().item()
            torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5 * scale)


@pytest.mark.parametrize(
    'name',
    [*NETWORKS, *(pytest.param(name, marks=(pytest.mark.slow, pytest.mark.ci)) for name in LARGE)],
)
def test_outputs(name, network):
    model, size = network(name), (37, 51) if 'in1k' in name else (19, 32)
    graph = NetworkGraph(model, torch.randn(2, 3, *size))
    for engine in ENGINES:
        check(build._ENGINES[engine](graph, 'float32', ()), model, size)


def test_more_images_than_the_build_compares(network):
    model = network(DIGITS)
    for name in ENGINES:
        engine = build_engine(model, torch.randn(2, 3, 16, 16), name).engine
        check(engine, model, (16, 16), batch_sizes=(9,))


@pytest.mark.parametrize('name', ENGINES)
def test_several_threads(name, network):
    model = network(DIGITS)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for batch_size in (1, 3):
            graph = NetworkGraph(model, torch.randn(batch_size, 3, 16, 16))
            engine = build._ENGINES[name](graph, 'float32', ())
            check(engine, model, (16, 16))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.ci
def test_compiled_engine_does_not_recompile(network):
    """Incomplete batches are padded, and the kind of tensor does not matter."""
    model = network(DIGITS)
    engine = build_engine(model, torch.randn(4, 3, 16, 16), 'compile').engine
    torch._dynamo.utils.counters.clear()
    check(engine, model, (16, 16), batch_sizes=(1, 3, 4, 9))
    for memory_format in (torch.contiguous_format, torch.channels_last):
        with torch.inference_mode():
            engine.run(torch.randn(4, 3, 16, 16).contiguous(memory_format=memory_format))
        engine.run(torch.randn(4, 3, 16, 16).contiguous(memory_format=memory_format))
    assert not torch._dynamo.utils.counters['stats']


@pytest.mark.parametrize('neck', [None, dict(type='GlobalAveragePooling')])
def test_features(network, neck):
    model = network(DIGITS, head=None, neck=neck, backbone=dict(out_indices=(0, 1, 2)))
    graph = NetworkGraph(model, torch.randn(2, 3, 16, 24))
    for name in ENGINES:
        engine = build._ENGINES[name](graph, 'float32', ())
        check(engine, model, (16, 24))
        deployed = DeployedClassifier(engine, model.data_preprocessor, None)
        assert len(deployed.extract_feat(torch.randn(1, 3, 16, 24))) == 3
        with pytest.raises(WrnError, match='not supported by a backend without a head'):
            deployed(torch.randn(1, 3, 16, 24), mode='predict')


@pytest.mark.parametrize('engine', ['fused', 'openvino'])
def test_bfloat16(network, engine):
    require(engine)
    model = network('wide-resnet28-2_8xb16_cifar10')
    example = torch.randn(4, 3, 32, 32)
    if not computes_natively(example.device, torch.bfloat16):
        with pytest.raises(EngineError, match='would not be faster'):
            build_engine(model, example, engine, 'bfloat16')
        return
    built = build_engine(model, example, engine, 'bfloat16')
    expected = model(example, mode='tensor')
    (outputs,) = built.engine(example)
    difference = ((outputs - expected).abs().max() / expected.abs().max()).item()
    assert 1e-4 < difference < 5e-2  # it did round, to 8 bits


def test_folding_keeps_outputs_and_weights(network):
    for name in NETWORKS:
        model = network(name)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        folded = fold_batch_norm(model)
        norms = [m for m in folded.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert len(norms) < len([m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)])
        inputs = torch.randn(2, 3, 32, 32)
        expected, outputs = (m(inputs, mode='tensor') for m in (model, folded))
        torch.testing.assert_close(
            outputs, expected, rtol=0, atol=1e-5 * expected.abs().max().item()
        )
        for key, value in model.state_dict().items():
            assert torch.equal(value, before[key])


@pytest.fixture(scope='module')
def held_out():
    """The test images of the digits dataset, and their labels."""
    samples = wrn.Digits(split='test').load_data_list()
    return [s['img'] for s in samples], np.array([s['gt_label'] for s in samples])


@pytest.mark.slow
def test_int8(held_out):
    pytest.importorskip('nncf')
    images, labels = held_out
    training = [sample['img'] for sample in wrn.Digits(split='train').load_data_list()[:400]]
    options = dict(backend='openvino', precision='int8', calibration=training)
    model = wrn.get_model(DIGITS, True, **options)
    predicted = [
        np.array([r['pred_label'] for r in wrn.inference_model(m, images, batch_size=64)])
        for m in (wrn.get_model(DIGITS, True), model)
    ]
    assert (predicted[0] == predicted[1]).mean() >= 0.99
    accuracies = [(labels == p).mean() for p in predicted]
    assert accuracies[1] >= accuracies[0] - 0.003
    scores = [
        wrn.inference_model(m, images[0])['pred_scores']
        for m in (wrn.get_model(DIGITS, True), model)
    ]
    assert abs(scores[0] - scores[1]).max() > 1e-5  # it is quantized


def test_int8_needs_calibration_images(tmp_path):
    pytest.importorskip('nncf')
    with pytest.raises(WrnError, match=r'needs images for calibration.*--calibration'):
        wrn.get_model(DIGITS, True, backend='openvino', precision='int8')
    (tmp_path / 'x.png').write_bytes(b'damaged')
    with pytest.raises(WrnError, match='calibration images: none of them can be read'):
        wrn.get_model(DIGITS, True, backend='openvino', precision='int8', calibration=tmp_path)


def test_auto_chooses_the_fastest(caplog, monkeypatch):
    require(*MODULES)
    rates = dict(ncnn=1.0, openvino=3.0, onnxruntime=2.0)
    monkeypatch.setattr(build, '_time', lambda engine, _: 1 / rates[engine.name])
    with caplog.at_level('INFO', 'wrn'):
        model = wrn.get_model(DIGITS, True, backend='auto', batch_size=2)
    assert model.engine.name == 'openvino'
    assert (
        'backend openvino, float32 (images/s: ncnn 2.0, openvino 6.0, onnxruntime 4.0)'
        in caplog.text
    )
    assert 'top-1 agrees in 100.00% (2 images)' in caplog.text


@pytest.mark.parametrize(
    ('installed', 'chosen'),
    [(('openvino',), 'openvino'), ((), 'compile'), (None, 'fused')],
)
def test_auto_chooses_among_what_is_installed(monkeypatch, installed, chosen):
    find_spec = importlib.util.find_spec
    packages = {module for modules in MODULES.values() for module in modules} | {'onnx'}
    monkeypatch.setattr(
        importlib.util,
        'find_spec',
        lambda name: find_spec(name) if name not in packages - {*(installed or ())} else None,
    )
    if installed is None:
        monkeypatch.setattr('shutil.which', lambda name: None)  # no compiler either
    elif 'openvino' in installed:
        require('openvino')
    groups = build._find_candidates('float32', torch.device('cpu'))
    assert next(filter(None, groups)) == [chosen]


@pytest.mark.parametrize('engine', MODULES)
def test_missing_package_is_named_with_the_command_to_install_it(
    monkeypatch, engine, fails, checkout
):
    missing = MODULES[engine][-1]
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name == missing else object()
    )
    error = fails('predict', checkout / 'demo', '--backend', engine)
    assert f'backend {engine}: ' in error
    assert missing in error
    assert error.endswith(f'{missing} is not installed; pip install {missing}')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--backend', 'tensorrt'], 'backend tensorrt: '),
        (['--precision', 'int8'], 'not supported by backend eager'),
        (
            ['--backend', 'ncnn', '--precision', 'bfloat16'],
            'does not support bfloat16; use ',
        ),
        (['--backend', 'fused', '--precision', 'float16'], 'would not be faster'),
    ],
)
def test_unsupported_options(fails, checkout, options, message):
    assert message in fails('predict', checkout / 'demo', *options)


def test_engine_with_wrong_outputs_is_refused(network, monkeypatch):
    require('ncnn')
    model = network(DIGITS)
    run = NcnnEngine.run

    def wrong(self, inputs):
        (scores,) = run(self, inputs)
        return (scores * 1.001,)

    monkeypatch.setattr(NcnnEngine, 'run', wrong)
    with pytest.raises(EngineError, match=r'differs from eager by at most 1\.0e-03'):
        build_engine(model, torch.randn(1, 3, 16, 16), 'ncnn')
    monkeypatch.setattr(NcnnEngine, 'run', lambda self, x: (run(self, x)[0] * torch.nan,))
    with pytest.raises(EngineError, match='differs from eager by at most nan'):
        build_engine(model, torch.randn(1, 3, 16, 16), 'ncnn')


def test_images_of_another_size(network):
    model = network(DIGITS)
    for name in ENGINES:
        engine = build_engine(model, torch.randn(2, 3, 16, 16), name).engine
        if engine.size is None:  # it takes any size
            check(engine, model, (19, 16))
            continue
        with pytest.raises(EngineError, match=r'of 16x16 pixels .*, not 19x16'):
            engine(torch.randn(1, 3, 19, 16))


def test_top1_must_agree():
    scores = torch.tensor([[1.0, 0.0], [1.0, 1.0 + 1e-6], [0.0, 1.0]])
    swapped = torch.tensor([[1.0, 0.0], [1.0, 1.0 - 1e-6], [1.0, 0.0]])
    difference = verify.compare(lambda _: (swapped,), lambda _: (scores,), scores)
    assert difference.agreement == pytest.approx(2 / 3)  # the second is a tie
    with pytest.raises(EngineError, match=r'top-1 agrees in 66\.67%'):
        verify.check(difference, 'x', 'float32', tolerance=2)


@pytest.mark.parametrize('images', [1, 99, 100, 300])
def test_int8_may_differ_in_one_percent_of_images(images):
    allowed = images // 100
    verify.check(verify.Difference(0.1, 1 - allowed / images, images), 'x', 'int8', 1)
    more = verify.Difference(0.1, 1 - (allowed + 1) / images, images)
    with pytest.raises(EngineError, match='calibrate with other images'):
        verify.check(more, 'x', 'int8', 1)


def test_auto_skips_engines_that_fail(monkeypatch, caplog):
    require('openvino', 'ncnn')
    broken = RuntimeError('no such instruction')
    monkeypatch.setattr(NcnnEngine, '__init__', lambda self, *_: (_ for _ in ()).throw(broken))
    with caplog.at_level('INFO', 'wrn'):
        model = wrn.get_model(DIGITS, True, backend='auto')
    assert model.engine.name != 'ncnn'
    assert 'skipped: backend ncnn: cannot run the network (no such instruction)' in caplog.text
    monkeypatch.setattr(build, '_CANDIDATES', dict(cpu=('ncnn',)))
    monkeypatch.setattr('shutil.which', lambda name: None)  # no compiler either
    assert wrn.get_model(DIGITS, True, backend='auto').engine.name == 'fused'
    with pytest.raises(EngineError, match='cannot run the network'):
        wrn.get_model(DIGITS, True, backend='ncnn')


def test_multi_label_heads_cannot_be_deployed():
    model = wrn.get_model(
        DIGITS,
        head=dict(type='MultiLabelLinearClsHead', _delete_=True, num_classes=10, in_channels=128),
    )
    for attempt in (
        lambda: deploy(model, 'fused'),
        lambda: export(model, 'x', 'torch-export', 'x.pt2'),
    ):
        with pytest.raises(WrnError, match='MultiLabelLinearClsHead: predicts more than one class'):
            attempt()
    deployed = wrn.get_model(DIGITS, True, backend='fused')
    with pytest.raises(WrnError, match='already runs in a backend'):
        deploy(deployed, 'fused')


def test_deployed_classifier_in_a_predictor(checkout):
    model = wrn.get_model(DIGITS, True, backend='fused', batch_size=2)
    results = Predictor(model)([checkout / 'demo' / f'digit_{i}.png' for i in (3, 7)], batch_size=2)
    assert [r['pred_class'] for r in results] == ['3', '7']
    with pytest.raises(WrnError, match='head=None'):
        model.extract_feat(torch.zeros(1, 3, 16, 16))
    with pytest.raises(WrnError, match="mode 'loss'"):
        model(torch.zeros(1, 3, 16, 16), mode='loss')


@pytest.mark.ci
def test_exporters_print_nothing(network, capfd):
    require(*ENGINES)
    model = network(DIGITS)
    for engine in ENGINES:
        build_engine(model, torch.randn(2, 3, 16, 16), engine)
    assert capfd.readouterr() == ('', '')


def test_engines_are_imported_lazily(run):
    packages = sorted({m for modules in MODULES.values() for m in modules} | {'onnx', 'nncf'})
    code = f'import sys, wrn; print([m for m in {packages} if m in sys.modules])'
    assert run('python', '-c', code).stdout.splitlines()[-1] == '[]'
