"""Weights are found in a checkpoint, whatever wraps them, and renamed without loss."""

from itertools import product

import pytest
import timm
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

import wrn
from wrn.checkpoints import ReadOptions, check_state_dict, to_openmmlab
from wrn.checkpoints.formats import FORMATS, TARGETS, recognize
from wrn_base.errors import CheckpointError

CIFAR = {
    'authors-cifar': [
        'conv0',
        'group0.block0.conv0',
        'group0.block0.bn0.weight',
        'group0.block0.conv1',
        'group2.block11.bn1.running_mean',
        'group1.block0.convdim',
        'bn.bias',
        'fc.weight',
    ],
    'xternalz': [
        'conv1.weight',
        'block1.layer.0.conv1.weight',
        'block1.layer.0.bn1.weight',
        'block3.layer.11.bn2.num_batches_tracked',
        'block2.layer.0.convShortcut.weight',
        'bn1.running_var',
        'fc.bias',
    ],
    'usb': [
        'conv1.weight',
        'conv1.bias',
        'block1.layer.0.conv1.weight',
        'block1.layer.0.conv1.bias',
        'block4.layer.11.bn2.bias',
        'bn1.weight',
        'fc.weight',
    ],
    'deepmind': [
        'init_conv.weight',
        'layer.0.block.0.conv_0.weight',
        'layer.2.block.10.batchnorm_1.bias',
        'layer.1.block.0.shortcut.weight',
        'batchnorm.weight',
        'logits.bias',
    ],
}
SAMPLED = {'openmmlab', 'torchvision', 'authors', *CIFAR}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def small(keys, dtype=torch.float32):
    """Return a small tensor for each key; the functions under test ignore the shapes."""
    return {key: torch.full((1,), i).to(dtype) for i, key in enumerate(keys)}


@pytest.fixture(scope='module')
def keys():
    """The keys of a torchvision network."""
    with torch.device('meta'):
        return list(torchvision.models.wide_resnet50_2().state_dict())


@pytest.fixture(scope='module')
def network():
    return wrn.get_model('wide-resnet50')


def ours(key):
    return f'head.{key}' if key.startswith('fc.') else f'backbone.{key}'


def test_keys_of_torchvision_and_timm(keys, network):
    assert set(map(ours, keys)) == set(network.state_dict())
    assert list(timm.create_model('wide_resnet50_2').state_dict()) == keys


wrappers = ['module.', 'model.', '_orig_mod.', 'net.', 'encoder.', 'module.0.']
prefixes = st.lists(st.sampled_from(wrappers), max_size=3).map(''.join)
dtypes = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])
parents = st.sampled_from(
    [
        [],
        ['state_dict'],
        ['model'],
        ['model_state_dict'],
        ['net'],
        ['ema'],
        ['state_dict', 'model'],
        ['checkpoint', 'ema', 'model'],
    ]
)
normalizations = st.sampled_from(
    [
        None,
        ('mu', 'sigma'),
        ('mean', 'std'),
        ('normalize.mean', 'normalize.std'),
        ('0.mean', '0.std'),
    ]
)
others = st.dictionaries(
    st.sampled_from(['epoch', 'args', 'optimizer', 'best_acc1', 'scaler']),
    st.sampled_from([3, None, {'lr': 0.1}, {'state': {0: {'momentum_buffer': torch.ones(2)}}}]),
)


@settings(deadline=None)
@given(prefixes, dtypes, parents, normalizations, others, st.sampled_from(['theirs', 'ours']))
def test_wrapped_weights(keys, prefix, dtype, parent, normalization, others, form):
    expected = small(map(ours, keys), dtype)
    inner = expected if form == 'ours' else dict(zip(keys, expected.values(), strict=True))
    if normalization and normalization[0] == '0.mean':
        inner = {f'1.{key}': value for key, value in inner.items()}
    checkpoint = {prefix + key: value for key, value in inner.items()}
    if normalization:
        for name, values in zip(normalization, (MEAN, STD), strict=True):
            checkpoint[prefix + name] = torch.tensor(values).view(1, 3, 1, 1)
    left_out = set()
    for depth, key in reversed(list(enumerate(parent))):
        checkpoint = {key: checkpoint, **others}
        left_out |= {'.'.join([*parent[:depth], other]) for other in others}
    if not parent:  # at the same level as the weights
        checkpoint |= others
        left_out = set(others)
    weights = to_openmmlab(checkpoint, 'w.pth')
    assert weights.format.name == ('openmmlab' if form == 'ours' else 'torchvision')
    assert weights.state_dict.keys() == expected.keys()
    assert all(weights.state_dict[key] is value for key, value in expected.items())
    assert weights.key == '.'.join(parent)
    assert weights.prefix == prefix + ('1.' if normalization == ('0.mean', '0.std') else '')
    assert set(weights.left_out) == left_out
    if normalization:
        found = weights.meta['normalization']
        assert found['mean'] == pytest.approx([123.675, 116.28, 103.53], rel=1e-6)
        assert found['std'] == pytest.approx([58.395, 57.12, 57.375], rel=1e-6)
    else:
        assert 'normalization' not in weights.meta


@settings(deadline=None, max_examples=50)
@given(st.data(), st.sampled_from([form for form in FORMATS if form.name in SAMPLED]))
def test_round_trip_is_bit_identical(keys, data, form):
    """From a format to OpenMMLab's and back, with NaN in it. The contract test covers them all."""
    if form.name == 'authors':
        state_dict = export(data.draw(st.sampled_from([2, 3])), data.draw(st.integers(0, 99)))
    else:
        names = map(ours, keys) if form.name == 'openmmlab' else CIFAR.get(form.name, keys)
        state_dict = small(names, data.draw(dtypes))
        state_dict[data.draw(st.sampled_from(sorted(state_dict)))].fill_(float('nan'))
    assert recognize(state_dict) is form
    there = form.to_openmmlab(state_dict)
    back = form.from_openmmlab(there)
    assert back.keys() == state_dict.keys()
    for key, value in state_dict.items():
        assert back[key].dtype == value.dtype
        assert torch.equal(back[key].view(torch.uint8), value.view(torch.uint8))


def test_a_tensor_of_a_wrong_shape():
    state_dict = export(3, 0) | {'conv0.weight': torch.tensor(1.0)}
    with pytest.raises(CheckpointError, match=r'^w\.pth: a tensor has a wrong shape .*; copy or'):
        to_openmmlab(state_dict, 'w.pth')


def export(convolutions, seed, widths=(4, 8, 16, 32)):
    """Return a small state dict as the authors export it, of random numbers of all magnitudes."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        scale = 10.0 ** torch.randint(-20, 20, shape, generator=generator)
        return torch.randn(shape, generator=generator) * scale

    modules = {'conv0': (4, 3, 7, 7), 'fc': (5, 32)}
    for (group, width), block in product(enumerate(widths), range(2)):
        base = f'group{group}.block{block}.conv'
        modules |= {f'{base}{i}': (width, width, 3, 3) for i in range(convolutions)}
        if block == 0:
            modules[f'{base}_dim'] = (width, width, 1, 1)
    return {
        f'{module}.{name}': random(*(shape if name == 'weight' else shape[:1]))
        for module, shape in modules.items()
        for name in ('weight', 'bias')
    }


@settings(deadline=None)
@given(st.data())
def test_missing_and_extra_keys_are_named(keys, network, data):
    renamed = TARGETS['torchvision'].format.from_openmmlab(network.state_dict())
    names = [key for key in renamed if 'num_batches_tracked' not in key]
    missing = data.draw(st.sets(st.sampled_from(names), max_size=3))
    extra = data.draw(
        st.sets(st.from_regex(r'layer[1-4]\.9\.[a-z]{1,9}\.weight', fullmatch=True), max_size=3)
    )
    changed = {key: value for key, value in renamed.items() if key not in missing}
    changed |= {key: torch.ones(1) for key in extra}
    if not missing | extra:
        assert check_state_dict(network, to_openmmlab(changed, 'w.pth').state_dict, 'w.pth')
        return
    weights = to_openmmlab(changed, 'w.pth').state_dict
    with pytest.raises(CheckpointError) as error:
        check_state_dict(network, weights, 'w.pth')
    for key in missing | extra:
        assert key in str(error.value)


def test_several_sets_of_weights(keys):
    weights, average = small(keys), small(keys)
    both = dict(
        model=weights, model_ema={'n_averaged': torch.tensor(3), **prefixed(average)}, epoch=3
    )
    found = to_openmmlab(both, 'w.pth')
    assert (found.key, found.left_out) == ('model', ['model_ema', 'epoch'])
    assert found.state_dict['backbone.conv1.weight'] is weights['conv1.weight']
    found = to_openmmlab(both, 'w.pth', ReadOptions('model_ema'))
    assert (found.key, found.left_out) == ('model_ema', ['model', 'epoch', 'n_averaged'])
    assert found.state_dict['backbone.conv1.weight'] is average['conv1.weight']
    with pytest.raises(
        CheckpointError, match="under the key 'ema'; give one of these keys: model, model_ema"
    ):
        to_openmmlab(both, 'w.pth', ReadOptions('ema'))


def prefixed(state_dict):
    return {f'module.{key}': value for key, value in state_dict.items()}


def test_several_sets_of_weights_under_unusual_keys(keys):
    with pytest.raises(CheckpointError, match=r'several sets of weights \(best, last\).*--key '):
        to_openmmlab(dict(last=small(keys), best=small(keys)), 'w.pth')


def test_several_networks_under_prefixes(keys):
    both = {f'student.{key}': torch.ones(1) for key in keys}
    both |= {f'teacher.{key}': torch.zeros(1) for key in keys}
    both |= {'projector.weight': torch.ones(1)}
    with pytest.raises(CheckpointError, match=r"the prefixes 'student\.', 'teacher\.'; choose"):
        to_openmmlab(both, 'w.pth')
    found = to_openmmlab(both, 'w.pth', ReadOptions(prefix='teacher.'))
    assert found.state_dict['backbone.conv1.weight'] is both['teacher.conv1.weight']
    assert len(found.left_out) == len(keys) + 1
    with pytest.raises(CheckpointError, match=r"prefix 'ema\.'; give 'student\.', 'teacher\.'$"):
        to_openmmlab(both, 'w.pth', ReadOptions(prefix='ema.'))


def test_network_held_twice(keys):
    """As in MadryLab's wrapper, with the normalization of the network and of its attacker."""
    network = {key: torch.rand(3) for key in keys}
    wrapped = {
        **{f'module.model.{key}': value for key, value in network.items()},
        **{f'module.attacker.model.{key}': value.clone() for key, value in network.items()},
    }
    for part in ('normalizer', 'attacker.normalize'):
        wrapped |= {
            f'module.{part}.new_{k}': torch.tensor(v) for k, v in (('mean', MEAN), ('std', STD))
        }
    found = to_openmmlab(dict(model=wrapped), 'w.pth')
    assert found.prefix == 'module.model.'
    assert torch.equal(found.state_dict['backbone.conv1.weight'], network['conv1.weight'])
    assert found.meta['normalization']['mean'] == pytest.approx([255 * value for value in MEAN])
    assert found.assumptions == [
        "the network behind the prefix 'module.model.'",
        'module.normalizer.new_mean and module.normalizer.new_std as mean and std of images from 0 '
        'to 1',
    ]


def test_tensors_that_torch_does_not_compare():
    network = wrn.get_model('wide-resnet16-2_1xb64_digits').state_dict()
    key = 'backbone.layer1.0.norm1.weight'
    sparse = {**network, key: network[key].to_sparse()}
    assert to_openmmlab(sparse, 'w.pth').state_dict[key] is sparse[key]
    for one, other in (
        (network, sparse),
        (sparse, sparse),
        (network, {**network, key: network[key].to(torch.float8_e4m3fn)}),
    ):
        both = {**{f'a.{k}': v for k, v in one.items()}, **{f'b.{k}': v for k, v in other.items()}}
        with pytest.raises(CheckpointError, match=r"the prefixes 'a\.', 'b\.'; choose"):
            to_openmmlab(both, 'w.pth')


def test_raw_weights_beside_averaged_ones_without_a_prefix(keys):
    raw = {key: torch.rand(3) for key in keys}
    both = {**raw, **{f'ema.{key}': torch.rand(3) for key in keys}}
    with pytest.raises(
        CheckpointError, match=r"the prefixes '', 'ema\.'; choose one with --prefix"
    ):
        to_openmmlab(both, 'w.pth')
    for prefix, key in (('', 'conv1.weight'), ('ema.', 'ema.conv1.weight')):
        found = to_openmmlab(both, 'w.pth', ReadOptions(prefix=prefix))
        assert found.state_dict['backbone.conv1.weight'] is both[key]
        assert len(found.left_out) == len(keys)


@pytest.mark.parametrize('extra', ['log_alpha', 'criterion.weight', 'proj.0.weight', 'std'])
def test_tensors_that_are_no_part_of_the_network(extra):
    network = wrn.get_model('wide-resnet16-2_1xb64_digits')
    theirs = TARGETS['xternalz'].format.from_openmmlab(network.state_dict())
    found = to_openmmlab({**theirs, extra: torch.ones(3)}, 'w.pth')
    assert check_state_dict(network, found.state_dict, 'w.pth', new_head=True)
    assert found.left_out == [extra]
    assert found.assumptions == [f'a network without {extra}']


@pytest.mark.parametrize('extra', ['block1.layer.0.se.weight', 'act.weight', 'relu1.weight'])
def test_learned_parts_that_no_network_here_has(extra):
    network = wrn.get_model('wide-resnet16-2_1xb64_digits')
    theirs = TARGETS['xternalz'].format.from_openmmlab(network.state_dict())
    with pytest.raises(CheckpointError, match=f'unsupported network: it has {extra}, which no'):
        to_openmmlab({f'module.{k}': v for k, v in (theirs | {extra: torch.ones(3)}).items()}, 'w')


@pytest.mark.parametrize('form', ['xternalz', 'torchvision'])
@pytest.mark.parametrize('prefix', ['backbone.', 'model.backbone.', 'net.backbone.module.'])
def test_other_formats_behind_a_part_named_backbone(form, prefix):
    name = dict(xternalz='wide-resnet16-2_1xb64_digits', torchvision='wide-resnet50_8xb32_in1k')
    network = wrn.get_model(name[form], backbone=dict(depth=16 if form == 'xternalz' else 18))
    theirs = TARGETS[form].format.from_openmmlab(network.state_dict())
    found = to_openmmlab({prefix + key: value for key, value in theirs.items()}, 'w.pth')
    assert found.prefix == prefix
    assert check_state_dict(network, found.state_dict, 'w.pth')


@pytest.mark.parametrize('prefix', ['backbone.', 'model.backbone.'])
def test_a_head_beside_a_part_named_backbone(prefix):
    network = wrn.get_model('wide-resnet16-2_1xb64_digits')
    theirs = TARGETS['xternalz'].format.from_openmmlab(network.state_dict())
    outer = prefix.removesuffix('backbone.')
    parts = {
        (outer if key.startswith('fc.') else prefix) + key: value for key, value in theirs.items()
    }
    found = to_openmmlab(parts, 'w.pth')
    assert check_state_dict(network, found.state_dict, 'w.pth')
    assert found.left_out == []
    assert 'fc.weight as that of the head' in found.assumptions


@pytest.mark.parametrize('prefix', ['', 'net.'])
def test_backbone_alone(prefix):
    backbone = wrn.WideResNetCIFAR(10, 1)
    weights = {prefix + key: value for key, value in backbone.state_dict().items()}
    found = to_openmmlab(dict(state_dict=weights), 'w.ckpt')
    assert {key.removeprefix('backbone.') for key in found.state_dict} == {*backbone.state_dict()}


@pytest.mark.parametrize('head', ['fc', 'linear', 'classifier'])
def test_head_of_another_name(head):
    network = wrn.get_model('wide-resnet16-2_1xb64_digits')
    module = {
        key.replace('head.fc.', f'{head}.'): value for key, value in network.state_dict().items()
    }
    found = to_openmmlab(dict(state_dict=module), 'w.ckpt')
    assert found.state_dict['head.fc.bias'] is module[f'{head}.bias']
    assert check_state_dict(network, found.state_dict, 'w.ckpt')
    assert found.assumptions == [
        f'{head}.{part} as that of the head' for part in ('weight', 'bias')
    ]


@pytest.mark.parametrize('target', ['openmmlab', 'authors-cifar', 'xternalz', 'deepmind', 'sam'])
def test_unused_norms_of_any_format(target, randomize):
    """The order of the first blocks is that which leaves these norms unused."""
    backbone = wrn.WideResNetCIFAR(16, 2)
    weights = {f'backbone.{key}': value for key, value in randomize(backbone).state_dict().items()}
    for stage in (1, 3):
        for part, value in (('weight', 0.9), ('bias', 0.0)):
            weights[f'backbone.layer{stage}.0.norm1.{part}'].fill_(value)
    weights |= {'head.fc.weight': torch.ones(10, 128), 'head.fc.bias': torch.ones(10)}
    theirs = TARGETS[target].format.from_openmmlab(weights)
    implied = to_openmmlab(theirs, 'w.pth').implied
    assert implied.backbone['activate_before_residual'] == [False, True, False]
    assert implied.reason.endswith('because some norms are untrained')


def test_network_beside_other_parts(keys):
    """As in a module of Lightning, with a loss and a metric."""
    module = {f'net.{key}': torch.ones(1) for key in keys}
    found = to_openmmlab({**module, 'loss.weight': torch.ones(1)}, 'w.ckpt')
    assert (found.prefix, found.left_out) == ('net.', ['loss.weight'])
    assert len(found.state_dict) == len(keys)


def test_averaged_model_of_mmengine(keys):
    """EMAHook saves the average under state_dict, and the other weights under ema_state_dict."""
    checkpoint = dict(
        meta=dict(epoch=3, mmengine_version='0.10.7'),
        state_dict=small(map(ours, keys)),
        ema_state_dict={'steps': torch.tensor(3), **prefixed(small(map(ours, keys)))},
    )
    found = to_openmmlab(checkpoint, 'w.pth')
    assert (found.key, found.left_out) == ('state_dict', ['ema_state_dict'])
    assert found.assumptions == [
        'the averaged weights under state_dict, not the raw ones under ema_state_dict'
    ]


@pytest.mark.parametrize('checkpoint', [{}, {'epoch': 3}, {'state_dict': {}}, {'state_dict': None}])
def test_no_weights(checkpoint):
    with pytest.raises(CheckpointError, match='holds no weights'):
        to_openmmlab(checkpoint, 'w.pth')


def test_class_names_of_mmcls(keys):
    meta = dict(CLASSES=['a', 'b'], mmcls_version='0.25.0')
    weights = to_openmmlab(dict(meta=meta, state_dict=small(map(ours, keys))), 'w.pth')
    assert weights.meta['dataset_meta'] == {'classes': ['a', 'b']}
    assert 'CLASSES' not in weights.meta


def test_normalization_of_8_bit_pixels(keys):
    """Statistics above 1 are not scaled by 255."""
    extra = dict(mean=torch.tensor([125.3, 123.0, 113.9]), std=torch.tensor([63.0, 62.1, 66.7]))
    found = to_openmmlab({**small(keys), **extra}, 'w.pth').meta['normalization']
    assert found['mean'] == pytest.approx([125.3, 123.0, 113.9])
    assert found['std'] == pytest.approx([63.0, 62.1, 66.7])


REFUSED = {
    'kuangliu': ['conv1.weight', 'layer1.0.bn1.weight', 'layer2.0.shortcut.1.weight'],
    'PreActResNet': ['conv1.weight', 'layer1.0.bn1.weight', 'layer4.0.shortcut.0.weight'],
    'weight or spectral norm': ['conv1.weight_g', 'conv1.weight_v', 'bn1.weight'],
    'parametrizations': ['conv1.parametrizations.weight.original0', 'bn1.weight'],
    'TensorFlow': ['conv2d/kernel:0', 'batch_normalization/gamma:0', 'a.b'],
    'stem of three convolutions': ['conv1.0.weight', 'bn1.weight', 'layer1.0.conv1.weight'],
}


@pytest.mark.parametrize('network', REFUSED)
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_known_foreign_networks_are_refused(network, prefix):
    state_dict = small(prefix + key for key in REFUSED[network])
    with pytest.raises(CheckpointError, match=rf'^w\.pth: unsupported network: .*{network}'):
        to_openmmlab(dict(state_dict=state_dict), 'w.pth')
