"""The entries of the model index match their configs, networks and weights."""

import hashlib
import re
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample

import wrn
from wrn.models.meta_init import MetaInit
from wrn_base import model_index

NAMES = list(model_index.models())
CONFIGS = sorted((model_index.root() / 'configs' / 'wrn').glob('*.py'), key=lambda path: path.name)
# Of each dataset the class, the number of classes, and the image size.
DATASETS = {
    'in1k': ('ImageNet', 1000, 224),
    'cifar10': ('CIFAR10', 10, 32),
    'cifar100': ('CIFAR100', 100, 32),
    'svhn': ('SVHN', 10, 32),
    'digits': ('Digits', 10, 16),
}


def read_config(name):
    return Config.fromfile(model_index.models()[name].config)


def dataset_of(name):
    return DATASETS[name.removesuffix('-288px').rpartition('_')[2] if '_' in name else 'in1k']


def image_size(name):
    return 288 if name.endswith('-288px') else dataset_of(name)[2]


@pytest.mark.parametrize('name', NAMES)
def test_a_name_describes_its_config(name):
    """By mmpretrain's convention: NETWORK[_3rdparty[-WEIGHTS]]_GPUSxbBATCH[-RECIPE]_DATASET."""
    network, _, setup = name.partition('_')
    config, stem = read_config(name), Path(model_index.models()[name].config).stem
    backbone, dataloader = config.model.backbone, config.train_dataloader
    depth, widen_factor, dropout = re.fullmatch(
        r'wide-resnet(\d+)(?:-([\d.]+))?(-dropout)?', network
    ).groups()
    assert backbone.depth == int(depth)
    assert backbone.widen_factor == float(widen_factor or 2)
    assert bool(backbone.get('drop_rate')) == bool(dropout)
    assert (dataloader.dataset.type, config.model.head.num_classes) == dataset_of(name)[:2]
    if setup:
        assert stem == name.replace('_3rdparty-', '_').replace('_3rdparty_', '_')
        gpus, batch_size = map(int, re.search(r'(\d+)xb(\d+)', setup).groups())
        assert dataloader.batch_size == batch_size
        assert config.auto_scale_lr.base_batch_size == gpus * batch_size
    else:
        assert stem == f'{name}_8xb32_in1k'


def test_names_of_variants():
    """A dropout network of the paper has one without, a CIFAR recipe is there for both datasets."""
    paper = [name for name in NAMES if 'In The Paper' in model_index.models()[name].data]
    assert {name.replace('-dropout', '') for name in paper} <= set(NAMES)
    for name in paper:
        if 'cifar10' in name:
            network = name.partition('_cifar10')[0]
            assert {f'{network}_cifar10', f'{network}_cifar100'} <= set(NAMES)


def test_provenance():
    trained = []
    for name, entry in model_index.models().items():
        provenance = model_index.weights_provenance(entry)
        assert (provenance == 'published') == ('_3rdparty' in name)
        assert (provenance == 'config only') == (entry.weights is None)
        if provenance == 'trained here':
            trained.append(Path(entry.weights))
    assert trained == list(Path(wrn.__file__).with_name('assets').glob('*.safetensors'))


def test_every_entry_with_weights_has_a_license_and_a_source():
    for entry in model_index.models().values():
        if entry.weights:
            assert entry.data['License'] in ('Apache-2.0', 'BSD-3-Clause')
            assert model_index.urls(entry) or Path(entry.weights).is_file()


def test_embedded_weights(digits_weights):
    content = Path(digits_weights).read_bytes()
    assert len(content) < 3e6
    digest = hashlib.sha256(content).hexdigest()
    assert digest.startswith(Path(digits_weights).stem[-8:])
    assert digest == model_index.sha256_of(digits_weights)


def test_no_file_comes_from_a_domain_that_has_expired():
    index = yaml.safe_load((model_index.root() / 'configs/wrn/metafile.yml').read_text())
    for entry in index['Models']:
        urls = [entry.get('Weights') or '', *entry.get('Sources', [])]
        assert not [url for url in urls if 'openmmlab.com' in url]
        assert all(url.startswith(('https://', 'hf://')) for url in urls[1:])


@pytest.mark.parametrize('name', NAMES)
def test_parameters(name):
    with MetaInit():
        model = wrn.get_model(name)
    parameters = sum(p.numel() for p in model.parameters())
    assert model_index.models()[name].metadata.data['Parameters'] == parameters


def network_of(name):
    """The options that determine the FLOPs, except for the number of classes."""
    backbone = read_config(name).model.backbone
    options = ('type', 'depth', 'widen_factor', 'stem_channels', 'base_channels')
    return (*(backbone.get(option) for option in options), image_size(name))


def flops(name):
    return model_index.models()[name].metadata.data['FLOPs']


# The first name of each network, on CIFAR-100 only if there is no other.
NETWORKS = {network_of(name): name for name in reversed(NAMES) if 'cifar100' in name}
NETWORKS |= {network_of(name): name for name in reversed(NAMES) if 'cifar100' not in name}


@pytest.mark.parametrize(
    'name',
    [
        pytest.param(name, marks=[pytest.mark.ci] * name.startswith('wide-resnet70-16'))
        for name in NETWORKS.values()
    ],
)
def test_flops(name):
    with MetaInit():
        model = wrn.get_model(name)
    model.to_empty(device='cpu')
    size = image_size(name)
    analysis = get_model_complexity_info(model, (3, size, size), show_table=False, show_arch=False)
    # The published figures come from ptflops, which counts batch norm and pooling, too.
    assert flops(name) == pytest.approx(analysis['flops'], rel=2e-3)


@pytest.mark.parametrize('name', NAMES)
def test_the_same_network_has_the_same_flops(name):
    first = NETWORKS[network_of(name)]
    expected = flops(first)
    if 'cifar100' in name and 'cifar100' not in first:  # 90 more classes in the head
        assert flops(name) == expected + 90 * read_config(name).model.head.in_channels
    else:
        assert flops(name) == pytest.approx(expected, rel=2e-3)  # published figures are rounded


@pytest.mark.parametrize('name', [name for name in NAMES if '3rdparty' not in name])
def test_the_index_states_the_schedule_of_the_config(name):
    """Published weights were trained by other recipes than their configs."""
    entry = model_index.models()[name]
    config, metadata = Config.fromfile(entry.config), entry.metadata.data
    assert metadata.get('Epochs', config.train_cfg.max_epochs) == config.train_cfg.max_epochs
    base_size = config.auto_scale_lr.base_batch_size
    assert metadata.get('Batch Size', base_size) == base_size


def test_every_config_is_in_the_index():
    entries = model_index.models().values()
    missing = {str(path) for path in CONFIGS} - {entry.config for entry in entries}
    assert not missing, 'add an entry for each to configs/wrn/metafile.yml'
    assert {entry.config for entry in entries} <= {str(path) for path in CONFIGS}


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.name)
def test_every_config_has_custom_imports_and_trains_for_a_step(path):
    config = Config.fromfile(path)
    assert config.custom_imports['imports'] == ['wrn']
    for_cifar = config.model.backbone.type == 'WideResNetCIFAR'
    # The head depends on the width only; test_parameters builds the full depth.
    shallow = dict(backbone=dict(depth=10)) if for_cifar else {}
    model = wrn.get_model(config, **shallow).train()
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        optimizer = build_optim_wrapper(model, config.optim_wrapper)
    size = 8 if for_cifar else 64
    inputs = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    samples = [DataSample().set_gt_label(i % config.model.head.num_classes) for i in range(2)]
    before = model.backbone.conv1.weight.clone()
    loss = model.train_step(dict(inputs=inputs, data_samples=samples), optimizer)['loss']
    assert loss.isfinite()
    assert not torch.equal(before, model.backbone.conv1.weight)
