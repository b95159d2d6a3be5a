"""Files of each CIFAR format give the network that wrote them, and convert back exactly."""

import re
from collections import OrderedDict

import pytest
import torch
from conversion import convert_file
from reference import Reference
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune

import wrn
from wrn.checkpoints import read_checkpoint
from wrn.checkpoints.formats import TARGETS
from wrn.config.config_file import parse_config
from wrn_base import model_index
from wrn_base.errors import AssumptionWarning, CheckpointError, RandomWeightsWarning, WrnError

TOLERANCE = dict(rtol=1e-4, atol=1e-4)  # single precision, 12 convolutions

XTERNALZ = dict(
    stem='conv1.weight',
    norm='block{s}.layer.{b}.bn{i}',
    conv='block{s}.layer.{b}.conv{i}.weight',
    projection='block{s}.layer.{b}.convShortcut.weight',
    last_norm='bn1',
)
WIDTHS = dict(base=16, widths=(32, 64, 128))
MELIKETOY = dict(
    stem='conv1.weight',
    norm='layer{s}.{b}.bn{i}',
    conv='layer{s}.{b}.conv{i}.weight',
    projection='layer{s}.{b}.shortcut.0.weight',
    last_norm='bn1',
    head='linear',
    strided=-1,
    activates_shortcut=False,
)
USB = dict(**XTERNALZ, activate=lambda x: functional.leaky_relu(x, 0.1), last_eps=1e-3, base=16)
THREE = dict(widths=(32, 64, 128))
FOUR = dict(widths=(32, 64, 128, 256), strides=(2, 2, 2, 2))  # wrn_var_37_2
EARLY = dict(head='classifier', biases=('stem',), activates=(True, False, False, False))
CURRENT = dict(biases=('all',), eps=1e-3)
TORCHSSL = dict(**CURRENT, activates=(True, False, False, False))
REFERENCES = {
    'authors-cifar': dict(
        stem='conv0',
        norm='group{g}.block{b}.bn{i}',
        conv='group{g}.block{b}.conv{i}',
        projection='group{g}.block{b}.convdim',
        last_norm='bn',
        first=0,
        **WIDTHS,
    ),
    'xternalz': dict(**XTERNALZ, **WIDTHS),
    'xternalz of FixMatch': dict(
        **XTERNALZ,
        **WIDTHS,
        activate=lambda x: functional.leaky_relu(x, 0.1),
        activates=(True, False, False),
    ),
    'deepmind': dict(
        stem='init_conv.weight',
        norm='layer.{g}.block.{b}.batchnorm_{i}',
        conv='layer.{g}.block.{b}.conv_{i}.weight',
        projection='layer.{g}.block.{b}.shortcut.weight',
        last_norm='batchnorm',
        head='logits',
        first=0,
        activate=functional.silu,
        tensorflow_padding=True,
        **WIDTHS,
    ),
    'meliketoy': dict(**MELIKETOY, **WIDTHS),
    'meliketoy, biases': dict(**MELIKETOY, **WIDTHS, biases=('all',)),
    'usb early': dict(**USB, **THREE, **EARLY),
    'usb early, 37-2': dict(**USB, **FOUR, **EARLY),
    'usb': dict(**USB, **THREE, **CURRENT),
    'usb, 37-2': dict(**USB, **FOUR, **CURRENT),
    'usb of TorchSSL': dict(**USB, **THREE, **TORCHSSL),
    'usb of TorchSSL, 37-2': dict(**USB, **FOUR, **TORCHSSL),
}
OURS = dict(
    stem='backbone.conv1.weight',
    norm='backbone.layer{s}.{b}.norm{i}',
    conv='backbone.layer{s}.{b}.conv{i}.weight',
    projection='backbone.layer{s}.{b}.downsample.weight',
    last_norm='backbone.norm',
    head='head.fc',
    **WIDTHS,
)
OTHER_BLOCKS = {
    'B(3,1,3)': dict(**OURS, kernel_sizes=(3, 1, 3)),
    'B(1,3)': dict(**OURS, kernel_sizes=(1, 3)),
    'B(3,3,3)': dict(**OURS, kernel_sizes=(3, 3, 3)),
}
WITH_BIASES = {'biases': dict(**OURS, biases=('all',)), 'stem bias': dict(**OURS, biases=('stem',))}
CONFIG = 'configs/wrn/wide-resnet16-8_8xb16_cifar10.py'


@pytest.fixture(params=REFERENCES)
def name(request):
    return request.param


@pytest.fixture
def reference(name):
    return Reference(**{**REFERENCES, **OTHER_BLOCKS, **WITH_BIASES}[name])


@pytest.fixture
def theirs(reference):
    return reference.random_weights()


@pytest.fixture
def inputs():
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_conversion_there_and_back(name, reference, theirs, inputs, tmp_path):
    torch.save(dict(params=theirs, epoch=3), tmp_path / 'theirs.pth')
    there = convert_file(tmp_path / 'theirs.pth', folder=tmp_path)
    config = parse_config(read_checkpoint(there.path)['meta']['cfg'])
    model = wrn.get_model(config, pretrained=there.path)
    expected = reference.logits(inputs, theirs)
    assert expected.std() > 0.3
    torch.testing.assert_close(model(inputs), expected, **TOLERANCE)
    # With the config, get_model takes the original file too.
    model = wrn.get_model(config, pretrained=tmp_path / 'theirs.pth')
    torch.testing.assert_close(model(inputs), expected, **TOLERANCE)
    back = convert_file(there.path, 'back.pth', name.split()[0].rstrip(','), tmp_path)
    read = torch.load(back.path)
    assert read.keys() == theirs.keys()
    assert all(torch.equal(read[key], value) for key, value in theirs.items())


@pytest.mark.parametrize('name', OTHER_BLOCKS)
@torch.no_grad()
def test_openmmlab_files_with_other_blocks(name, reference, theirs, inputs, tmp_path):
    """The kernel sizes are detected from the shapes."""
    torch.save(theirs, tmp_path / 'ours.pth')
    there = convert_file(tmp_path / 'ours.pth', folder=tmp_path)
    config = parse_config(there.meta['cfg'])
    assert tuple(config.model.backbone.kernel_sizes) == reference.kernel_sizes
    model = wrn.get_model(config, pretrained=there.path)
    torch.testing.assert_close(model(inputs), reference.logits(inputs, theirs), **TOLERANCE)


# What the usual network of each format has beside its depth and width.
USUAL = {
    'xternalz': {},
    'xternalz of FixMatch': dict(
        act_cfg=dict(type='LeakyReLU', negative_slope=0.1),
        activate_before_residual=[True, False, False],
    ),
    'deepmind': dict(conv_cfg=dict(type='Conv2dAdaptivePadding'), act_cfg=dict(type='SiLU')),
    'meliketoy': dict(strided_conv='last', activate_shortcut=False),
    'usb': dict(
        act_cfg=dict(type='LeakyReLU', negative_slope=0.1), norm_cfg=dict(type='BN', eps=1e-3)
    ),
    'usb of TorchSSL': dict(
        act_cfg=dict(type='LeakyReLU', negative_slope=0.1),
        norm_cfg=dict(type='BN', eps=1e-3),
        activate_before_residual=[True, False, False],
    ),
    'usb early': dict(
        act_cfg=dict(type='LeakyReLU', negative_slope=0.1),
        last_norm_cfg=dict(type='BN', eps=1e-3),
        activate_before_residual=[True, False, False],
    ),
}


@pytest.mark.parametrize('name', USUAL)
def test_config_wins_over_the_usual_network(name, theirs, tmp_path):
    """A network with other options than usual is built as the config says, with a warning."""
    torch.save(theirs, path := tmp_path / 'theirs.pth')
    biases = {'usb early': 'stem'}.get(name, name.startswith('usb'))
    head = dict(in_channels=128, num_classes=7)
    usual = dict(depth=16, widen_factor=2, conv_bias=biases, **USUAL[name])
    others = [{key: v for key, v in usual.items() if key != left} for left in USUAL[name]]
    for backbone in (*others, {**usual, 'act_cfg': dict(type='GELU')}):
        config = tmp_path / 'own.py'
        config.write_text(
            f"_base_ = ['{model_index.root()}/{CONFIG}']\n"
            f'model = dict(backbone={backbone}, head={head})\n'
        )
        option = next(key for key in {**usual, **backbone} if usual.get(key) != backbone.get(key))
        with pytest.warns(AssumptionWarning, match=rf'{option}=.*, not '):
            model = wrn.get_model(config, pretrained=path)
        built = model._config.model.backbone
        assert all(built[key] == value for key, value in backbone.items())


@pytest.mark.parametrize(
    ('changes', 'options'),
    [
        (dict(activate=functional.silu), "act_cfg=dict(type='SiLU')"),
        (
            dict(activate=lambda x: functional.leaky_relu(x, 0.1)),
            "act_cfg=dict(type='LeakyReLU', negative_slope=0.1)",
        ),
        (dict(groups=16), "norm_cfg=dict(type='GN', num_groups=16)"),
        (dict(activates=(True, False, False)), 'activate_before_residual=[True, False, False]'),
    ],
)
@torch.no_grad()
def test_network_that_only_a_config_states(changes, options, inputs, tmp_path):
    reference = Reference(**REFERENCES['xternalz'] | changes)
    theirs = reference.random_weights()
    for key in theirs:
        if key.endswith('bn1.bias'):
            theirs[key] += torch.linspace(0, 0.1, len(theirs[key]))  # trained norms
    torch.save(theirs, path := tmp_path / 'theirs.pth')
    (config := tmp_path / 'own.py').write_text(
        f"_base_ = ['{model_index.root()}/{CONFIG}']\n"
        f'model = dict(backbone=dict(depth=16, widen_factor=2, {options}),\n'
        f'             head=dict(num_classes=7, in_channels=128))\n'
    )
    expected = reference.logits(inputs, theirs)
    model = wrn.get_model(config, pretrained=path)
    torch.testing.assert_close(model(inputs), expected, **TOLERANCE)
    done = convert_file(path, config=config, folder=tmp_path)
    model = wrn.get_model(done.path, pretrained=True)
    torch.testing.assert_close(model(inputs), expected, **TOLERANCE)
    if 'groups' in changes:
        with pytest.raises(CheckpointError, match=r'not batch norms, .* give a config'):
            convert_file(path, folder=tmp_path)


class SAMUnit(nn.Module):
    """A block of davda54/sam: with a projection if the shape changes."""

    def __init__(self, channels, width, stride):
        super().__init__()
        norms = [nn.BatchNorm2d(size) for size in (channels, width)]
        convs = [
            nn.Conv2d(size, width, 3, step, 1, bias=False)
            for size, step in ((channels, stride), (width, 1))
        ]
        first = [('normalization', norms[0]), ('activation', nn.ReLU())]
        rest = [('convolution', convs[0]), ('normalization', norms[1]), ('activation', nn.ReLU())]
        rest += [('dropout', nn.Dropout(0)), ('convolution', convs[1])]
        self.downsample = self.norm_act = None
        if channels != width:
            self.norm_act = numbered(first)
            self.downsample = nn.Conv2d(channels, width, 1, stride, bias=False)
        self.block = numbered(rest if self.norm_act else first + rest)

    def forward(self, x):
        if self.downsample is None:
            return x + self.block(x)
        x = self.norm_act(x)
        return self.block(x) + self.downsample(x)


class SAMStage(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.block = nn.Sequential(SAMUnit(channels, width, stride), SAMUnit(width, width, 1))

    def forward(self, x):
        return self.block(x)


def numbered(modules):
    return nn.Sequential(
        OrderedDict((f'{i}_{name}', part) for i, (name, part) in enumerate(modules))
    )


@torch.no_grad()
def test_networks_of_sam(inputs, tmp_path):
    torch.manual_seed(0)
    stages = [SAMStage(*sizes) for sizes in ((16, 32, 1), (32, 64, 2), (64, 128, 2))]
    theirs = nn.Module()
    theirs.f = numbered(
        [
            ('convolution', nn.Conv2d(3, 16, 3, 1, 1, bias=False)),
            *(('block', stage) for stage in stages),
            ('normalization', nn.BatchNorm2d(128)),
            ('activation', nn.ReLU()),
            ('pooling', nn.AvgPool2d(8)),
            ('flattening', nn.Flatten()),
            ('classification', nn.Linear(128, 7)),
        ]
    )
    for value in theirs.state_dict().values():
        if value.ndim == 1 and value.is_floating_point():
            value.uniform_(0.3, 1.5)
    torch.save(dict(model=theirs.state_dict()), tmp_path / 'theirs.pth')
    done = convert_file(tmp_path / 'theirs.pth', folder=tmp_path)
    assert (done.format.name, done.architecture.backbone['depth']) == ('sam', 16)
    logits = wrn.get_model(done.path, pretrained=True)(inputs)
    torch.testing.assert_close(logits, theirs.eval().f(inputs), **TOLERANCE)


@pytest.mark.parametrize('name', ['authors-cifar'])
@torch.no_grad()
def test_running_statistics_apart(reference, theirs, inputs, tmp_path):
    """The authors' script of 2017 saved them under a key of their own."""
    stats = {key: value for key, value in theirs.items() if '.running_' in key}
    params = {key: value for key, value in theirs.items() if key not in stats}
    torch.save(dict(params=params, stats=stats, epoch=3), tmp_path / 'model.pt7')
    done = convert_file(tmp_path / 'model.pt7', folder=tmp_path)
    logits = wrn.get_model(done.path, pretrained=True)(inputs)
    torch.testing.assert_close(logits, reference.logits(inputs, theirs), **TOLERANCE)


@pytest.mark.parametrize('name', ['xternalz'])
def test_pruned_weights(theirs, tmp_path):
    """torch.nn.utils.prune stores the weights and the mask, and the network multiplies them."""
    kernel = theirs['block1.layer.0.conv1.weight']
    conv = nn.Conv2d(*reversed(kernel.shape[:2]), 3, bias=False)
    conv.load_state_dict(dict(weight=kernel))
    prune.l1_unstructured(conv, 'weight', amount=0.5)
    pruned = {key: value for key, value in theirs.items() if value is not kernel}
    pruned |= {f'block1.layer.0.conv1.{key}': value for key, value in conv.state_dict().items()}
    torch.save(pruned, tmp_path / 'theirs.pth')
    weights = convert_file(tmp_path / 'theirs.pth', folder=tmp_path).weights
    found = weights.state_dict['backbone.layer1.0.conv1.weight']
    assert weights.pruned == 1
    assert (found == 0).sum() == found.numel() / 2
    assert torch.equal(found, conv.weight)


@pytest.mark.parametrize('name', ['xternalz of FixMatch'])
def test_unused_norms_that_decay_or_averaging_moved(reference, theirs, inputs, tmp_path):
    """MixMatch's weight decay shrinks them, and its average of weights starts elsewhere."""
    for stage in (2, 3):
        theirs[f'block{stage}.layer.0.bn1.weight'].fill_((1 - 4e-5) ** 2000)
    torch.save(dict(state_dict=theirs, ema_state_dict=theirs), tmp_path / 'theirs.pth')
    done = convert_file(tmp_path / 'theirs.pth', folder=tmp_path)
    with torch.no_grad():
        logits = wrn.get_model(done.path, pretrained=True)(inputs)
    torch.testing.assert_close(logits, reference.logits(inputs, theirs), **TOLERANCE)


@pytest.mark.parametrize('name', ['deepmind'])
def test_assumed_activation(name, theirs, tmp_path):
    """SiLU, as in all of RobustBench, unless a config says otherwise."""
    torch.save(theirs, path := tmp_path / 'theirs.pth')
    assert convert_file(path, folder=tmp_path).meta['cfg'].count("type='SiLU'") == 1
    (tmp_path / 'relu.py').write_text(
        f"_base_ = ['{model_index.root()}/{CONFIG}']\n"
        "model = dict(backbone=dict(conv_cfg=dict(type='Conv2dAdaptivePadding'),\n"
        "                           act_cfg=dict(type='ReLU')))\n"
    )
    there = convert_file(path, config=tmp_path / 'relu.py', folder=tmp_path)
    assert 'SiLU' not in there.meta['cfg']


@pytest.mark.parametrize('name', ['deepmind'])
@pytest.mark.parametrize(('classes', 'mean'), [(10, 0.4914), (100, 0.5071)])
def test_normalization_of_deepminds_networks(name, classes, mean, tmp_path):
    """It is that of the caller's config, or of the file, or else of the class in RobustBench."""
    theirs = Reference(**REFERENCES[name], classes=classes).random_weights()
    torch.save(theirs, path := tmp_path / 'theirs.pth')
    there = convert_file(path, folder=tmp_path)
    found = parse_config(there.meta['cfg']).data_preprocessor
    assert found.mean[0] == pytest.approx(255 * mean)
    assert any('the mean ' in text for text in there.weights.assumptions)

    buffers = dict(mean=torch.full((3, 1, 1), 0.25), std=torch.full((3, 1, 1), 0.5))
    torch.save({**theirs, **buffers}, tmp_path / 'buffers.pth')
    there = convert_file(tmp_path / 'buffers.pth', folder=tmp_path)
    found = parse_config(there.meta['cfg']).data_preprocessor
    assert (found.mean, found.std) == ([63.75] * 3, [127.5] * 3)
    assert not any('the mean' in text for text in there.weights.assumptions)

    options = "conv_cfg=dict(type='Conv2dAdaptivePadding'), act_cfg=dict(type='SiLU')"
    (tmp_path / 'raw.py').write_text(
        f"_base_ = ['{model_index.root()}/{CONFIG}']\n"
        'data_preprocessor = dict(mean=[0, 0, 0], std=[255, 255, 255])\n'
        f'model = dict(backbone=dict(depth=16, widen_factor=2, {options}),\n'
        f'             head=dict(num_classes={classes}, in_channels=128))\n'
    )
    there = convert_file(path, config=tmp_path / 'raw.py', folder=tmp_path)
    assert parse_config(there.meta['cfg']).data_preprocessor.mean == [0, 0, 0]
    assert there.weights.assumptions == []
    model = wrn.get_model(tmp_path / 'raw.py', pretrained=path)
    assert model.data_preprocessor.mean.flatten().tolist() == [0, 0, 0]


def test_configs_in_the_docs(checkout, tmp_path):
    """Those for TRADES, DeepMind and USB take weights in these formats."""
    text = (checkout / 'docs' / 'weights.md').read_text()
    blocks = re.findall(r"```py\n(_base_ = \['PATH.*?)```", text, re.DOTALL)
    for block, form in zip(blocks, ('xternalz', 'deepmind', 'usb'), strict=True):
        (tmp_path / 'theirs.py').write_text(block.replace('PATH', str(model_index.root())))
        weights = wrn.get_model(tmp_path / 'theirs.py').state_dict()
        for key in weights:  # trained, unlike in TorchSSL
            if key.endswith('norm1.bias'):
                weights[key] += 0.5
        path = tmp_path / 'theirs.pth'
        torch.save(dict(state_dict=TARGETS[form].format.from_openmmlab(weights)), path)
        found = wrn.get_model(tmp_path / 'theirs.py', pretrained=path).state_dict()
        assert all(torch.equal(found[key], value) for key, value in weights.items())
        assert convert_file(path, config=tmp_path / 'theirs.py', folder=tmp_path).tensors


@pytest.mark.parametrize(
    ('name', 'network'),
    [
        (
            'xternalz',
            r'the activation ReLU, the norm BN\(eps=1e-05\), strides 1, 2, 2 \(as in most',
        ),
        (
            'xternalz of FixMatch',
            r'the activation LeakyReLU\(negative_slope=0.1\), .* activate_before_residual '
            r'\[True, False, False\] \(as in FixMatch and MixMatch, because some norms are untrained',
        ),
        ('deepmind', r'the activation SiLU, .*, the convolutions Conv2dAdaptivePadding, .*RobustB'),
        ('meliketoy', 'the activation ReLU, .*, strided_conv last, activate_shortcut False'),
        ('usb', r'LeakyReLU\(negative_slope=0.1\), the norm BN\(eps=0.001\).* not TorchSSL'),
        ('usb of TorchSSL', 'as in TorchSSL, because some norms are untrained'),
        ('usb early', r'the last norm BN\(eps=0.001\), .*as in early USB'),
        ('B(3,3,3)', r'the activation ReLU, the norm BN\(eps=1e-05\), strides 1, 2, 2$'),
    ],
)
def test_assumptions_of_a_format(theirs, network, tmp_path):
    torch.save(theirs, tmp_path / 'theirs.pth')
    found = convert_file(tmp_path / 'theirs.pth', folder=tmp_path).weights.assumptions
    patterns = (
        network,
        r'^the mean 12\d.* and the std .* for pixels from 0 to 255',
        '^the image size',
    )
    assert len(found) == len(patterns)
    for text, pattern in zip(found, patterns, strict=True):
        assert re.search(pattern, text), text


@pytest.mark.parametrize('name', ['B(3,3,3)'])
def test_networks_that_need_a_config_or_are_refused(name, theirs, tmp_path):
    four = Reference(**{**OURS, **FOUR}).random_weights()
    grey = {**theirs, 'backbone.conv1.weight': theirs['backbone.conv1.weight'][:, :1]}
    uneven = {key: value for key, value in theirs.items() if 'layer3.1' not in key}
    large = {**theirs, 'backbone.layer1.0.conv1.weight': torch.ones(32, 16, 5, 5)}
    empty = {**theirs, 'backbone.conv1.weight': torch.ones(0, 3, 3, 3)}
    for state_dict, message in (
        (four, 'have 4 stages of unknown strides'),
        (grey, 'takes 1-channel images, not RGB'),
        (uneven, 'have stages of 2, 2, 1 blocks'),
        (large, 'have 5x5 kernels'),
        (empty, 'the first convolutions are not those of a Wide-ResNet for 32x32 pixels'),
    ):
        torch.save(state_dict, tmp_path / 'theirs.pth')
        with pytest.raises(CheckpointError, match=message):
            convert_file(tmp_path / 'theirs.pth', folder=tmp_path)


@pytest.mark.parametrize('name', ['xternalz'])
def test_head_with_a_missing_bias_is_not_replaced(theirs, tmp_path):
    torch.save({k: v for k, v in theirs.items() if k != 'fc.bias'}, tmp_path / 'theirs.pth')
    backbone = dict(depth=16, widen_factor=2)
    same, other = (dict(in_channels=128, num_classes=classes) for classes in (7, 9))
    with pytest.raises(CheckpointError, match=r'missing head\.fc\.bias'):
        wrn.get_model(CONFIG, tmp_path / 'theirs.pth', backbone=backbone, head=same)
    with pytest.warns(RandomWeightsWarning, match='the head is newly initialized'):
        wrn.get_model(CONFIG, tmp_path / 'theirs.pth', backbone=backbone, head=other)


@pytest.mark.parametrize(
    ('name', 'prefix', 'part'),
    [
        ('xternalz', 'module.model.', 'sub_block1.layer.0.bn1.weight'),
        ('usb', 'module.', 'rot_classifier.weight'),
    ],
)
def test_unused_parts_are_left_out(theirs, prefix, part, tmp_path):
    """Also with prefixes of wrappers, and under an unusual key."""
    wrapped = {prefix + key: value for key, value in {**theirs, part: torch.ones(1)}.items()}
    torch.save(dict(last=wrapped), tmp_path / 'theirs.pth')
    done = convert_file(tmp_path / 'theirs.pth', folder=tmp_path)
    assert done.weights.left_out == [part]
    assert done.tensors == len(theirs)


@pytest.mark.parametrize(
    ('name', 'to', 'message'),
    [
        (
            'xternalz',
            'timm',
            'is a format for WideResNet, but .* WideResNetCIFAR; give one of .*usb',
        ),
        (
            'xternalz',
            'openmmlab-0.x',
            'give one of openmmlab, authors-cifar, xternalz, usb, deepmind, meliketoy, sam$',
        ),
        ('xternalz', 'authors', 'is a format for WideResNet, but'),
        ('xternalz', 'deepmind', 'implies conv_cfg'),
        ('deepmind', 'xternalz', 'implies conv_cfg'),
        ('usb early', 'authors-cifar', 'implies activate_before_residual'),
        ('B(3,1,3)', 'xternalz', r'implies kernel_sizes=\[3, 3\], but .* \[3, 1, 3\]'),
        ('B(1,3)', 'authors-cifar', 'implies kernel_sizes'),
        ('usb', 'xternalz', 'implies norm_cfg'),
        ('biases', 'xternalz', 'cannot hold all parts of the network'),
        ('stem bias', 'authors-cifar', 'cannot hold all parts'),
        ('biases', 'deepmind', 'implies conv_cfg'),
        ('xternalz', 'usb', 'implies activate_before_residual'),
    ],
)
def test_format_that_implies_another_network_is_not_written(theirs, to, message, tmp_path):
    torch.save(theirs, tmp_path / 'theirs.pth')
    with pytest.raises(WrnError, match=rf'^--to {to}: .*{message}'):
        convert_file(tmp_path / 'theirs.pth', to=to, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['theirs.pth']


@pytest.mark.parametrize('name', ['deepmind'])
def test_options_in_a_converted_file_are_compared(theirs, fails, tmp_path):
    """By get_model and `wrn test`. What was assumed in conversion is warned of, not refused."""
    torch.save(theirs, tmp_path / 'theirs.pth')
    there = convert_file(tmp_path / 'theirs.pth', folder=tmp_path)
    path = tmp_path / 'relu.py'
    path.write_text(
        f"_base_ = ['{model_index.root()}/configs/wrn/wide-resnet16-2_1xb64_digits.py']\n"
        'model = dict(head=dict(num_classes=7))\n'
        'val_dataloader = dict(dataset=dict(metainfo=dict(classes=list("0123456"))))\n'
        'test_dataloader = val_dataloader\n'
    )
    with pytest.warns(
        AssumptionWarning, match=r'conv_cfg=None, not .*act_cfg=.*ReLU.*, not .*SiLU'
    ):
        wrn.get_model(path, there.path)
    stated = {**there.meta}
    assert len(stated.pop('assumed')) == 3
    checkpoint = read_checkpoint(there.path)
    torch.save({**checkpoint, 'meta': stated}, tmp_path / 'stated.pth')
    with pytest.raises(CheckpointError, match='trained with conv_cfg'):
        wrn.get_model(path, tmp_path / 'stated.pth')
    error = fails('test', path, tmp_path / 'stated.pth', '--work-dir', tmp_path)
    assert 'trained with conv_cfg' in error


@pytest.mark.parametrize('name', ['xternalz'])
def test_type_in_the_config_of_a_file_is_not_imported(theirs, tmp_path):
    torch.save(theirs, tmp_path / 'theirs.pth')
    there = convert_file(tmp_path / 'theirs.pth', folder=tmp_path)
    checkpoint = dict(state_dict=read_checkpoint(there.path)['state_dict'], meta=there.meta)
    for types in ("act_cfg=dict(type='os.system')", "conv_cfg=dict(type='antigravity')"):
        text = there.meta['cfg'].replace('backbone=dict(', f'backbone=dict({types}, ')
        torch.save({**checkpoint, 'meta': dict(cfg=text)}, tmp_path / 'hostile.pth')
        with pytest.raises(CheckpointError, match='an unknown type'):
            convert_file(tmp_path / 'hostile.pth', 'x', folder=tmp_path)
