"""The table of models says what is true of the models."""

import hashlib
import re
from pathlib import Path

import pytest
import timm
import torch
import yaml
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torchvision.models import Wide_ResNet50_2_Weights, Wide_ResNet101_2_Weights

import wrn
from wrn.config import model_index
from wrn.models.meta_init import MetaInit

WITH_WEIGHTS = [
    'wide-resnet50_3rdparty_8xb32_in1k',
    'wide-resnet101_3rdparty_8xb32_in1k',
    'wide-resnet50_3rdparty-timm_8xb32_in1k',
    'wide-resnet50_3rdparty-torchvision-v2_8xb32_in1k',
    'wide-resnet101_3rdparty-torchvision-v2_8xb32_in1k',
    'wide-resnet50_3rdparty-timm_8xb32_in1k-288px',
    'wide-resnet16-2_1xb64_digits',
]
NAMES = list(model_index.models())
NETWORKS = ['16-8', '22-8', '28-2', '28-10', '34-10', '40-4', '40-10', '70-16']
WITH_DROPOUT = ['16-8', '22-8', '28-10', '40-4', '40-10']


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_names():
    origins = {
        name: model_index.weights_provenance(entry) for name, entry in model_index.models().items()
    }
    assert [name for name in NAMES if origins[name] != 'config only'] == WITH_WEIGHTS
    assert origins['wide-resnet16-2_1xb64_digits'] == 'trained here'
    without = [
        'wide-resnet50',
        'wide-resnet101',
        'wide-resnet50_8xb128-torchvision-v2-600e_in1k',
        *(
            f'wide-resnet50_8xb256-rsb-{recipe}_in1k'
            for recipe in ('a1-600e', 'a2-300e', 'a3-100e')
        ),
        *(f'wide-resnet{network}_8xb32_in1k' for network in IMAGENET),
        *(f'wide-resnet16-{k}{dropout}_8xb16_svhn' for k in (4, 8) for dropout in ('', '-dropout')),
    ]
    for data in ('cifar10', 'cifar100'):
        without.append(f'wide-resnet28-10_8xb16-modern-200e_{data}')
        without += [f'wide-resnet{network}_8xb16_{data}' for network in NETWORKS]
        without += [f'wide-resnet{network}-dropout_8xb16_{data}' for network in WITH_DROPOUT]
    assert sorted(without + WITH_WEIGHTS) == sorted(NAMES)


# The paper's table 5: top-1 and top-5 error, and millions of parameters.
IMAGENET = {
    '18-1': (30.4, 10.93, 11.7),
    '18-1.5': (27.06, 9.0, 25.9),
    '18-2': (25.58, 8.06, 45.6),
    '18-3': (24.06, 7.33, 101.8),
    '34-1': (26.77, 8.67, 21.8),
    '34-1.5': (24.5, 7.58, 48.6),
    '34-2': (23.39, 7.00, 86.0),
}
# Mean/std preprocessing, on CIFAR-10 and CIFAR-100; of WRN-40-10 a single run.
CIFAR = {
    '40-4': (4.53, 21.18),
    '16-8': (4.27, 20.43),
    '28-10': (4.00, 19.25),
    '28-10-dropout': (3.89, 18.85),
    '40-10-dropout': (3.8, 18.3),
}
ZCA = {'40-4': (4.97, 22.89), '16-8': (4.81, 22.07), '28-10': (4.17, 20.50)}
# Their exact numbers of parameters, by a count of our own.
PARAMETERS = {
    '40-4': (8_949_210, 8_972_340),
    '16-8': (10_961_370, 11_007_540),
    '28-10': (36_479_194, 36_536_884),
}


def test_the_papers_figures_are_listed():
    entries = model_index.models()
    for network, (top1, top5, millions) in IMAGENET.items():
        entry = entries[f'wide-resnet{network}_8xb32_in1k']
        assert model_index.paper_results(entry) == [
            f'{top1:.2f} / {top5:.2f} (single crop, one run)'
        ]
        assert round(entry.metadata.data['Parameters'] / 1e6, 1) == millions
    for network, errors in CIFAR.items():
        runs = 'one run' if network.startswith('40-10') else 'median of 5 runs'
        for data, error in zip(('cifar10', 'cifar100'), errors, strict=True):
            results = model_index.paper_results(entries[f'wide-resnet{network}_8xb16_{data}'])
            assert results[0] == f'{error:.2f} (mean/std, {runs})'
            whitened = ZCA.get(network, ())[data == 'cifar100' :][:1]
            assert results[1:] == [f'{error:.2f} (ZCA whitening)' for error in whitened]
    for network, counts in PARAMETERS.items():
        for data, count in zip(('cifar10', 'cifar100'), counts, strict=True):
            entry = entries[f'wide-resnet{network}_8xb16_{data}']
            assert entry.metadata.data['Parameters'] == count


def size_of_pictures(name):
    sizes = {'digits': 16, 'cifar10': 32, 'cifar100': 32, 'svhn': 32, '288px': 288}
    return sizes.get(re.split('[_-]', name)[-1], 224)


@pytest.mark.parametrize('name', NAMES)
def test_params(name):
    with MetaInit():
        model = wrn.get_model(name)
    assert model_index.models()[name].metadata.data['Parameters'] == parameters(model)


def network_of(name):
    """What tells a network from others, whatever it is trained with and on."""
    backbone = Config.fromfile(model_index.models()[name].config).model.backbone
    options = ('type', 'depth', 'widen_factor', 'stem_channels', 'base_channels')
    return (*(backbone.get(option) for option in options), size_of_pictures(name))


def flops(name):
    return model_index.models()[name].metadata.data['FLOPs']


NETWORKS_OF_ALL = {network_of(name): name for name in reversed(NAMES) if 'cifar100' not in name}


@pytest.mark.parametrize('name', NETWORKS_OF_ALL.values())
def test_flops(name):
    with MetaInit():
        model = wrn.get_model(name)
    model.to_empty(device='cpu')  # of whatever weights
    size = size_of_pictures(name)
    analysis = get_model_complexity_info(model, (3, size, size), show_table=False, show_arch=False)
    # The published figures were counted by ptflops, which counts batch norm and pooling too.
    assert flops(name) == pytest.approx(analysis['flops'], rel=2e-3)


@pytest.mark.parametrize('name', NAMES)
def test_the_same_network_has_the_same_flops(name):
    more_classes = 0
    if 'cifar100' in name:
        more_classes = (
            90 * Config.fromfile(model_index.models()[name].config).model.head.in_channels
        )
    same = flops(NETWORKS_OF_ALL[network_of(name)]) + more_classes
    # The head counts in all data sets; published figures are rounded.
    assert flops(name) == (same if more_classes else pytest.approx(same, rel=2e-3))


TORCHVISION = {
    'wide-resnet50_3rdparty_8xb32_in1k': Wide_ResNet50_2_Weights.IMAGENET1K_V1,
    'wide-resnet101_3rdparty_8xb32_in1k': Wide_ResNet101_2_Weights.IMAGENET1K_V1,
    'wide-resnet50_3rdparty-torchvision-v2_8xb32_in1k': Wide_ResNet50_2_Weights.IMAGENET1K_V2,
    'wide-resnet101_3rdparty-torchvision-v2_8xb32_in1k': Wide_ResNet101_2_Weights.IMAGENET1K_V2,
}


def test_every_weight_of_torchvision_has_an_entry():
    assert {*Wide_ResNet50_2_Weights, *Wide_ResNet101_2_Weights} == set(TORCHVISION.values())


@pytest.mark.parametrize('name', TORCHVISION)
def test_figures_agree_with_torchvisions(name):
    """OpenMMLab evaluated torchvision's first weights again, and published what it measured."""
    entry, origin = model_index.models()[name], TORCHVISION[name]
    assert entry.data['Converted From']['Weights'] == model_index.sources(entry)[0] == origin.url
    assert model_index.find(str(origin)) is entry
    assert entry.metadata.data['Parameters'] == origin.meta['num_params']
    published = origin.meta['_metrics']['ImageNet-1K']
    tolerance = 0.02 if origin.name.endswith('V1') else 1e-9
    metrics = entry.results[0].metrics
    assert metrics['Top 1 Accuracy'] == pytest.approx(published['acc@1'], abs=tolerance)
    assert metrics['Top 5 Accuracy'] == pytest.approx(published['acc@5'], abs=tolerance)


@pytest.mark.parametrize('name', timm.list_pretrained('wide_resnet*'))
def test_every_weight_of_timm_has_an_entry(name):
    """Found by timm's name and the hub's, with timm's licence, the same origin and repository."""
    config = timm.get_pretrained_cfg(name)
    entry = model_index.find(name)
    assert entry is model_index.find(f'timm/{name}')
    assert entry.data['License'].lower() == config.license
    assert model_index.sources(entry)[:2] == [
        config.url,
        f'hf://{config.hf_hub_id}/model.safetensors',
    ]


def test_the_same_weights_have_the_same_sources():
    small, large = (
        model_index.models()[f'wide-resnet50_3rdparty-timm_8xb32_in1k{pixels}']
        for pixels in ('', '-288px')
    )
    assert model_index.sources(small) == model_index.sources(large)
    others = [
        tuple(model_index.sources(e))
        for e in model_index.models().values()
        if model_index.sources(e)
    ]
    assert len(set(others)) == len(others) - 1


def test_openmmlabs_files_are_sources(mmpretrain_root):
    """With the names that mmpretrain's metafile and its fork's have, whatever their host."""
    index = yaml.safe_load((mmpretrain_root / '.mim/configs/wrn/metafile.yml').read_text())
    for theirs in index['Models']:
        path = theirs['Weights'].partition('/mmclassification/')[2]
        hosts = [
            s.partition('/mmclassification/')
            for s in model_index.sources(model_index.find(theirs['Name']))
        ]
        assert [host for host, _, rest in hosts if rest == path] == [
            'https://download.openmmlab.com',
            'https://mmassets.onedl.ai',
        ]
        assert model_index.find_by_file(theirs['Weights']).name == theirs['Name']


def test_figures_are_mmpretrains(mmpretrain_root):
    ours = yaml.safe_load((model_index.root() / 'configs/wrn/metafile.yml').read_text())['Models']
    theirs = yaml.safe_load((mmpretrain_root / '.mim/configs/wrn/metafile.yml').read_text())
    for our, their in zip(ours, theirs['Models'], strict=False):
        # mmpretrain rounds to 10,000 parameters; its fork serves the same files from a mirror.
        parameters = [entry['Metadata'].pop('Parameters') for entry in (our, their)]
        assert parameters[0] == pytest.approx(parameters[1], abs=5000)
        assert Path(our.pop('Weights')).name == Path(their.pop('Weights')).name
        assert {key: our[key] for key in their} == their


def test_every_weight_says_its_licence_and_origin():
    for entry in model_index.models().values():
        if entry.weights:
            assert entry.data['License'] in ('Apache-2.0', 'BSD-3-Clause')
            assert model_index.sources(entry) or Path(entry.weights).is_file()


@pytest.mark.parametrize('name', NAMES)
def test_the_tables_in_the_readmes(name, checkout):
    """Each row has the figures of the metafile, and links to the origin of the weights."""
    entry = model_index.models()[name]
    figures = [
        f'{entry.metadata.data["Parameters"] / 1e6:.2f}',
        f'{entry.metadata.data["FLOPs"] / 1e9:.3g}',
    ]
    if result := entry.results[0].metrics:
        figures += [f'{result[f"Top {k} Accuracy"]:.2f}' for k in (1, 5)]
        if seeds := entry.data.get('Top 1 Accuracy Over Five Seeds'):
            median, least, most = (f'{seeds[key]:.2f}' for key in ('Median', 'Least', 'Most'))
            figures[2] += f' (5 seeds: median {median}, {least} to {most})'
    else:
        figures.append('; '.join(model_index.paper_results(entry)) or '-')
    for readme in ('README.md', 'configs/wrn/README.md')[name not in WITH_WEIGHTS :]:
        lines = (checkout / readme).read_text().splitlines()
        (row,) = (line for line in lines if line.startswith(f'| `{name}`'))
        assert [cell.strip() for cell in row.split('|')[2 : 2 + len(figures)]] == figures
        assert Path(entry.config).name in row
        for source in model_index.sources(entry)[:1] or filter(None, [entry.weights]):
            assert Path(source).name in row


def test_embedded_weights(digits_weights):
    content = Path(digits_weights).read_bytes()
    assert len(content) < 3e6
    assert hashlib.sha256(content).hexdigest().startswith(Path(digits_weights).stem[-8:])


def every_config():
    return sorted(path.name for path in (model_index.root() / 'configs' / 'wrn').glob('*.py'))


def test_every_config_is_in_the_index():
    assert {Path(entry.config).name for entry in model_index.models().values()} == set(
        every_config()
    )


@pytest.mark.parametrize('name', every_config())
def test_every_config_says_custom_imports_and_takes_a_step(name):
    config = Config.fromfile(model_index.root() / 'configs' / 'wrn' / name)
    assert config.custom_imports['imports'] == ['wrn']
    for_cifar = config.model.backbone.type == 'WideResNetCIFAR'
    # The widths are what the head takes; test_params builds the whole depth.
    shallow = dict(backbone=dict(depth=10)) if for_cifar else {}
    model = wrn.get_model(config, **shallow).train()
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        optimizer = build_optim_wrapper(model, config.optim_wrapper)
    classes = config.model.head.num_classes
    size = 8 if for_cifar else 64
    inputs = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    samples = [model_sample(i % classes) for i in range(2)]
    before = model.backbone.conv1.weight.clone()
    loss = model.train_step(dict(inputs=inputs, data_samples=samples), optimizer)['loss']
    assert loss.isfinite()
    assert not torch.equal(before, model.backbone.conv1.weight)


def model_sample(label):
    from mmpretrain.structures import DataSample

    return DataSample().set_gt_label(label)
