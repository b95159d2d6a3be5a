"""Speed settings: their precedence, and that they do not change the results."""

from argparse import Namespace
from copy import deepcopy

import pytest
import torch
from commands import make_config
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import wrn
from wrn.training.hooks.performance import OptimizerLayoutHook
from wrn_base.errors import WrnError

DIGITS = 'wide-resnet16-2_1xb64_digits'
LAMB = 'wide-resnet50_8xb256-rsb-a3-100e_in1k'
SMALL = [
    dict(type='WideResNetCIFAR', depth=10, widen_factor=2),
    dict(type='WideResNet', depth=50, widen_factor=0.25, base_channels=16, stem_channels=8),
]


@pytest.fixture
def read(tmp_path):
    """Return a function that reads a config as a command does; by default `wrn train`."""

    def read(*words, command='train', config=DIGITS):
        return make_config(command, config, *words, '--work-dir', str(tmp_path))

    return read


def test_defaults(read):
    cfg = read()
    assert cfg.model.backbone.channels_last is True
    assert cfg.optim_wrapper.optimizer.fused is True
    assert not cfg.default_hooks.keys() & {'compile', 'tf32'}
    assert cfg.env_cfg.cudnn_benchmark is False
    assert 'sync_bn' not in cfg
    tested = read('weights.pth', '--tta', command='test')
    assert tested.model.module.backbone.channels_last is True


CONFIG = [
    '--cfg-options',
    'model.backbone.channels_last=False',
    'optim_wrapper.optimizer.fused=False',
    'default_hooks.compile.type=CompileHook',
    'default_hooks.compile.mode=max-autotune',
    'default_hooks.tf32.type=TF32Hook',
    'env_cfg.cudnn_benchmark=True',
    'sync_bn=torch',
]


def values(cfg):
    return dict(
        channels_last=cfg.model.backbone.channels_last,
        fused=cfg.optim_wrapper.optimizer.fused,
        compile=cfg.default_hooks.get('compile'),
        tf32=cfg.default_hooks.get('tf32'),
        cudnn_benchmark=cfg.env_cfg.cudnn_benchmark,
        sync_bn=cfg.get('sync_bn'),
    )


def test_a_config_wins_over_the_defaults(read):
    assert values(read(*CONFIG)) == dict(
        channels_last=False,
        fused=False,
        compile=dict(type='CompileHook', mode='max-autotune'),
        tf32=dict(type='TF32Hook'),
        cudnn_benchmark=True,
        sync_bn='torch',
    )


def test_the_command_line_wins_over_a_config(read):
    off = [f'--no-{name}' for name in ('compile', 'tf32', 'cudnn-benchmark', 'sync-bn')]
    assert values(read('--channels-last', '--fused', *off, *CONFIG)) == dict(
        channels_last=True,
        fused=True,
        compile=None,
        tf32=dict(type='TF32Hook', enabled=False),
        cudnn_benchmark=False,
        sync_bn=None,
    )
    on = values(read('--compile', '--tf32', '--cudnn-benchmark', '--sync-bn'))
    assert on['compile'] == dict(type='CompileHook')
    assert on['tf32'] == dict(type='TF32Hook', enabled=True)
    assert (on['cudnn_benchmark'], on['sync_bn']) == (True, 'torch')
    assert read('--compile', *CONFIG).default_hooks.compile.mode == 'max-autotune'


def test_unsupported_settings_are_errors_only_if_requested(read):
    others = ['--cfg-options', 'model.backbone.type=ResNet']
    with pytest.raises(WrnError, match='--channels-last: the backbone ResNet does not support it'):
        read('--channels-last', *others)
    assert 'channels_last' not in read(*others).model.backbone
    assert 'channels_last' not in read('--no-channels-last', *others).model.backbone
    with pytest.raises(WrnError, match='--fused: the optimizer Lamb has no fused implementation; '):
        read('--fused', config=LAMB)
    assert 'fused' not in read(config=LAMB).optim_wrapper.optimizer
    assert 'fused' not in read('--no-fused', config=LAMB).optim_wrapper.optimizer
    foreach = ['--cfg-options', 'optim_wrapper.optimizer.foreach=True']
    assert 'fused' not in read(*foreach).optim_wrapper.optimizer
    assert 'foreach' not in read('--fused', *foreach).optim_wrapper.optimizer


def build(backbone):
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=backbone,
            neck=dict(type='GlobalAveragePooling'),
            head=dict(
                type='LinearClsHead',
                num_classes=5,
                in_channels=MODELS.build(backbone).feat_dim,
                loss=dict(type='CrossEntropyLoss'),
            ),
            data_preprocessor=dict(mean=[128.0] * 3, std=[64.0] * 3),
        )
    )


def train(network, steps=3, optimizer=torch.optim.SGD, **kwargs):
    """Train in float64, where rounding is 1e-16, and return the losses and the weights."""
    network = network.double().train()
    if optimizer is torch.optim.SGD:
        kwargs = dict(momentum=0.9, nesterov=True, weight_decay=1e-3, **kwargs)
    wrapper = OptimWrapper(optimizer(network.parameters(), lr=0.01, **kwargs))
    network.data_preprocessor.forward = lambda data, training: dict(
        inputs=(data['inputs'].double() - 128) / 64, data_samples=data['data_samples']
    )
    losses = []
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        inputs = torch.randint(0, 256, (4, 3, 64, 64), generator=generator)
        samples = [DataSample().set_gt_label(i) for i in range(4)]
        losses.append(network.train_step(dict(inputs=inputs, data_samples=samples), wrapper))
    return [step['loss'].item() for step in losses], network.state_dict(), wrapper


@pytest.mark.parametrize('backbone', SMALL, ids=lambda backbone: backbone['type'])
def test_channels_last_and_fused_do_not_change_training(backbone):
    plain = build(backbone)
    fast = build(dict(backbone, channels_last=True))
    fast.load_state_dict(plain.state_dict())
    convolutions = [p for p in fast.parameters() if p.ndim == 4 and p.shape[2] > 1]
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in convolutions)
    losses, weights, _ = train(plain, fused=False)
    fast_losses, fast_weights, _ = train(fast, fused=True)
    assert losses[0] != pytest.approx(losses[2], rel=1e-2)  # it learns something
    assert fast_losses == pytest.approx(losses, rel=1e-7)
    # Batch norm over so few values amplifies rounding errors.
    torch.testing.assert_close(fast_weights, weights, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize('backbone', SMALL, ids=lambda backbone: backbone['type'])
def test_features_are_channels_last_inside(backbone):
    """Also if weights were loaded with ``assign=True`` in another memory format."""
    network = MODELS.build(dict(backbone, channels_last=True))
    network.load_state_dict(
        {
            k: v.clone(memory_format=torch.contiguous_format)
            for k, v in network.state_dict().items()
        },
        assign=True,
    )
    seen = []
    network.layer2.register_forward_hook(lambda *args: seen.append(args[2]))
    network(torch.rand(2, 3, 32, 32))
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('backbone', SMALL, ids=lambda backbone: backbone['type'])
def test_a_seed_gives_the_same_weights_in_any_memory_format(backbone):
    drawn = []
    for channels_last in (False, True):
        network = MODELS.build(dict(backbone, channels_last=channels_last))
        torch.manual_seed(1)
        network.init_weights()
        drawn.append(network.state_dict())
    torch.testing.assert_close(drawn[0], drawn[1], rtol=0, atol=0)
    weight = network.layer1[0].conv2.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()


@pytest.mark.parametrize('optimizer', [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_optimizers_that_are_fused_by_default_give_the_same_weights(optimizer):
    plain, fused = build(SMALL[0]), build(SMALL[0])
    _, weights, _ = train(plain, optimizer=optimizer, fused=False)
    _, fused_weights, _ = train(fused, optimizer=optimizer, fused=True)
    torch.testing.assert_close(fused_weights, weights, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('optimizer', [torch.optim.SGD, torch.optim.AdamW])
def test_a_run_resumes_with_another_memory_format(optimizer):
    """Fused optimizers would mix up the elements of their state."""
    before = build(SMALL[0])
    _, weights, wrapper = train(before, optimizer=optimizer, fused=True)
    state = deepcopy(wrapper.optimizer.state_dict())
    results = []
    for channels_last in (False, True):
        network = build(dict(SMALL[0], channels_last=channels_last)).double()
        network.load_state_dict(weights)
        wrapper = OptimWrapper(optimizer(network.parameters(), lr=0.01, fused=True))
        wrapper.load_state_dict(deepcopy(state))
        OptimizerLayoutHook().before_train(Namespace(optim_wrapper=wrapper))
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        wrapper.step()
        results.append(network.state_dict())
    torch.testing.assert_close(results[1], results[0], rtol=1e-9, atol=1e-12)


def test_a_resumed_run_keeps_its_own_choice_of_kernels():
    """torch would use that of the checkpoint."""
    network = torch.nn.Linear(2, 2)
    state = torch.optim.SGD(network.parameters(), lr=0.3, fused=True).state_dict()
    wrapper = OptimWrapper(torch.optim.SGD(network.parameters(), lr=0.1, fused=False))
    runner = Namespace(optim_wrapper=wrapper, _resume=True)
    OptimizerLayoutHook().after_load_checkpoint(runner, dict(optimizer=state))
    wrapper.load_state_dict(state)
    assert wrapper.optimizer.param_groups[0]['fused'] is False
    assert wrapper.optimizer.param_groups[0]['lr'] == 0.3


def test_optimizer_state_may_have_numbers():
    network = torch.nn.Linear(2, 2)
    wrapper = OptimWrapper(torch.optim.SGD(network.parameters(), lr=0.1))
    wrapper.optimizer.state[network.weight] = dict(step=3, mean=torch.ones(2, 2).t())
    OptimizerLayoutHook().before_train(Namespace(optim_wrapper=wrapper))
    assert wrapper.optimizer.state[network.weight]['step'] == 3


def test_tf32(monkeypatch):
    precision = torch.get_float32_matmul_precision()
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', torch.backends.cudnn.allow_tf32)
    try:
        for enabled in (False, True):
            wrn.TF32Hook(enabled).before_run(None)
            assert torch.backends.cudnn.allow_tf32 is enabled
            assert torch.backends.cuda.matmul.allow_tf32 is enabled
    finally:
        torch.set_float32_matmul_precision(precision)


@pytest.mark.ci
@pytest.mark.slow
def test_compiling_does_not_change_training():
    one_block = dict(SMALL[0], num_stages=1, strides=[1])
    plain, compiled = build(one_block), build(one_block)
    keys = list(compiled.state_dict())
    wrn.CompileHook().before_run(Namespace(model=compiled))
    losses, weights, _ = train(plain, steps=2)
    compiled_losses, compiled_weights, _ = train(compiled, steps=2)
    assert list(compiled_weights) == keys
    assert compiled_losses == pytest.approx(losses, rel=1e-9)
    torch.testing.assert_close(compiled_weights, weights, rtol=1e-7, atol=1e-9)
