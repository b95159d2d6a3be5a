"""The table of models says what is true of the models."""

import hashlib
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from torchvision.models import Wide_ResNet50_2_Weights, Wide_ResNet101_2_Weights

import wrn
from wrn import zoo

NAMES = [
    'wide-resnet50_3rdparty_8xb32_in1k',
    'wide-resnet101_3rdparty_8xb32_in1k',
    'wide-resnet50_3rdparty-timm_8xb32_in1k',
    'wide-resnet18_1xb64_digits',
]


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def test_names():
    assert list(zoo.models()) == NAMES


@pytest.mark.parametrize('name', NAMES)
def test_params_and_flops(name):
    metadata = zoo.models()[name].metadata.data
    model = wrn.get_model(name)
    assert metadata['Parameters'] == parameters(model)
    size = 32 if name.endswith('digits') else 224
    analysis = get_model_complexity_info(model, (3, size, size), show_table=False, show_arch=False)
    # The published figures were counted by ptflops, which counts batch norm and pooling too.
    assert metadata['FLOPs'] == pytest.approx(analysis['flops'], rel=2e-3)


@pytest.mark.parametrize(
    ('name', 'weights'),
    [(NAMES[0], Wide_ResNet50_2_Weights), (NAMES[1], Wide_ResNet101_2_Weights)],
)
def test_figures_agree_with_the_weights_origin(name, weights):
    """OpenMMLab evaluated torchvision's weights again, and published what it measured."""
    entry, origin = zoo.models()[name], weights.IMAGENET1K_V1
    assert entry.data['Converted From']['Weights'] == origin.url
    assert entry.metadata.data['Parameters'] == origin.meta['num_params']
    published = origin.meta['_metrics']['ImageNet-1K']
    assert entry.results[0].metrics['Top 1 Accuracy'] == pytest.approx(published['acc@1'], abs=0.02)
    assert entry.results[0].metrics['Top 5 Accuracy'] == pytest.approx(published['acc@5'], abs=0.02)


def test_figures_are_mmpretrains(mmpretrain_root):
    ours = yaml.safe_load((zoo.root() / 'configs/wrn/metafile.yml').read_text())['Models']
    theirs = yaml.safe_load((mmpretrain_root / '.mim/configs/wrn/metafile.yml').read_text())
    for our, their in zip(ours, theirs['Models'], strict=False):
        # mmpretrain rounds to 10,000 parameters; its fork serves the same files from a mirror.
        parameters = [entry['Metadata'].pop('Parameters') for entry in (our, their)]
        assert parameters[0] == pytest.approx(parameters[1], abs=5000)
        assert Path(our.pop('Weights')).name == Path(their.pop('Weights')).name
        assert our == their


@pytest.mark.parametrize('name', NAMES)
def test_the_tables_in_the_readmes(name, checkout):
    """Each row has the figures of the metafile."""
    entry = zoo.models()[name]
    result = entry.results[0].metrics
    figures = [
        f'{entry.metadata.data["Parameters"] / 1e6:.2f}',
        f'{entry.metadata.data["FLOPs"] / 1e9:.3g}',
        f'{result["Top 1 Accuracy"]:.2f}',
        f'{result["Top 5 Accuracy"]:.2f}',
    ]
    for readme in ('README.md', 'configs/wrn/README.md'):
        lines = (checkout / readme).read_text().splitlines()
        (row,) = (line for line in lines if line.startswith(f'| `{name}`'))
        assert [cell.strip() for cell in row.split('|')[2:6]] == figures
        assert Path(entry.config).name in row
        assert Path(entry.weights).name in row


def test_embedded_weights(digits_weights):
    content = Path(digits_weights).read_bytes()
    assert len(content) < 2e6
    assert hashlib.sha256(content).hexdigest().startswith(Path(digits_weights).stem[-8:])


def every_config():
    return sorted(path.name for path in (zoo.root() / 'configs' / 'wrn').glob('*.py'))


def test_every_config_is_in_the_index():
    assert {Path(entry.config).name for entry in zoo.models().values()} == set(every_config())


@pytest.mark.parametrize('name', every_config())
def test_every_config_says_custom_imports_and_takes_a_step(name):
    config = Config.fromfile(zoo.root() / 'configs' / 'wrn' / name)
    assert config.custom_imports['imports'] == ['wrn']
    model = wrn.get_model(config).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    classes = config.model.head.num_classes
    inputs = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    samples = [model_sample(i % classes) for i in range(2)]
    before = model.backbone.conv1.weight.clone()
    data = model.data_preprocessor(dict(inputs=inputs, data_samples=samples), training=True)
    loss = sum(model(**data, mode='loss').values())
    loss.backward()
    optimizer.step()
    assert loss.isfinite()
    assert not torch.equal(before, model.backbone.conv1.weight)


def model_sample(label):
    from mmpretrain.structures import DataSample

    return DataSample().set_gt_label(label)
