"""The figures in the model index are those that were published, and those in the READMEs."""

import re
from pathlib import Path

import pytest
import timm
import yaml
from torchvision.models import Wide_ResNet50_2_Weights, Wide_ResNet101_2_Weights

from wrn_base import model_index

NAMES = list(model_index.models())
TORCHVISION = [*Wide_ResNet50_2_Weights, *Wide_ResNet101_2_Weights]
TIMM = timm.list_pretrained('wide_resnet*')
# Table 5 of the paper: top-1 and top-5 error in %, and millions of parameters.
IMAGENET = {
    '18-1': (30.4, 10.93, 11.7),
    '18-1.5': (27.06, 9.0, 25.9),
    '18-2': (25.58, 8.06, 45.6),
    '18-3': (24.06, 7.33, 101.8),
    '34-1': (26.77, 8.67, 21.8),
    '34-1.5': (24.5, 7.58, 48.6),
    '34-2': (23.39, 7.00, 86.0),
}
# The paper's errors in % on CIFAR-10 and CIFAR-100 with mean/std preprocessing.
CIFAR = {
    '40-4': (4.53, 21.18),
    '16-8': (4.27, 20.43),
    '28-10': (4.00, 19.25),
    '28-10-dropout': (3.89, 18.85),
    '40-10-dropout': (3.8, 18.3),  # a single run
}
ZCA = {'40-4': (4.97, 22.89), '16-8': (4.81, 22.07), '28-10': (4.17, 20.50)}
# Counted independently; the paper rounds them.
PARAMETERS = {
    '40-4': (8_949_210, 8_972_340),
    '16-8': (10_961_370, 11_007_540),
    '28-10': (36_479_194, 36_536_884),
}


def test_the_papers_figures():
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


@pytest.mark.parametrize('weights', TORCHVISION, ids=str)
def test_figures_of_torchvision(weights):
    """OpenMMLab evaluated torchvision's first weights again and published its own figures."""
    entry = model_index.find(str(weights))
    depth, version = re.fullmatch(
        r'Wide_ResNet(\d+)_2_Weights.IMAGENET1K_(V\d)', str(weights)
    ).groups()
    kind = dict(V1='', V2='-torchvision-v2')[version]
    assert entry.name == f'wide-resnet{depth}_3rdparty{kind}_8xb32_in1k'
    assert entry.data['Converted From']['Weights'] == model_index.urls(entry)[0] == weights.url
    assert entry.metadata.data['Parameters'] == weights.meta['num_params']
    published = weights.meta['_metrics']['ImageNet-1K']
    tolerance = 0.02 if version == 'V1' else 1e-9
    metrics = entry.results[0].metrics
    assert metrics['Top 1 Accuracy'] == pytest.approx(published['acc@1'], abs=tolerance)
    assert metrics['Top 5 Accuracy'] == pytest.approx(published['acc@5'], abs=tolerance)


@pytest.mark.parametrize('name', TIMM)
def test_every_weight_of_timm_has_an_entry(name):
    """It is found by timm's name and the hub's, and has timm's license, URL and repository."""
    config = timm.get_pretrained_cfg(name)
    entry = model_index.find(name)
    assert entry is model_index.find(f'timm/{name}')
    assert entry.data['License'].lower() == config.license
    assert model_index.urls(entry)[:2] == [
        config.url,
        f'hf://{config.hf_hub_id}/model.safetensors',
    ]


def sources_of(name):
    return tuple(model_index.urls(model_index.find(name)))


def test_published_entries_are_the_weights_of_torchvision_and_timm():
    upstream = [model_index.find(name).name for name in [*map(str, TORCHVISION), *TIMM]]
    published = {name for name in NAMES if sources_of(name)}
    # The same weights at another image size have an entry of their own.
    resized = {name for name in published if name.endswith('px')}
    assert resized
    for name in resized:
        assert sources_of(name) == sources_of(name.rpartition('-')[0])
    assert set(upstream) == published - resized
    assert len(set(map(sources_of, published))) == len(published - resized)


def test_files_of_openmmlab_are_sources(mmpretrain_root):
    """The names of the files are those in the metafile of mmpretrain or its fork.

    Only the fork's host has them: OpenMMLab's domain has expired.
    """
    index = yaml.safe_load((mmpretrain_root / '.mim/configs/wrn/metafile.yml').read_text())
    for theirs in index['Models']:
        path = theirs['Weights'].partition('/mmclassification/')[2]
        hosts = [source.partition('/mmclassification/') for source in sources_of(theirs['Name'])]
        assert [host for host, _, rest in hosts if rest == path] == ['https://mmassets.onedl.ai']
        assert model_index.find_by_file(theirs['Weights']).name == theirs['Name']


def test_figures_of_mmpretrain(mmpretrain_root):
    ours = yaml.safe_load((model_index.root() / 'configs/wrn/metafile.yml').read_text())['Models']
    theirs = yaml.safe_load((mmpretrain_root / '.mim/configs/wrn/metafile.yml').read_text())
    for our, their in zip(ours, theirs['Models'], strict=False):
        # mmpretrain rounds to 10,000 parameters. Its fork serves the same files from a mirror.
        parameters = [entry['Metadata'].pop('Parameters') for entry in (our, their)]
        assert parameters[0] == pytest.approx(parameters[1], abs=5000)
        assert Path(our.pop('Weights')).name == Path(their.pop('Weights')).name
        assert {key: our[key] for key in their} == their


@pytest.mark.parametrize('name', NAMES)
def test_the_tables_in_the_readmes(name, checkout):
    """Each row has the figures of the index, and links to the config and the weights.

    A model without figures, the paper's or its own, needs no row.
    """
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
    for readme in ('README.md', 'configs/wrn/README.md')[not entry.weights :]:
        lines = (checkout / readme).read_text().splitlines()
        rows = [line for line in lines if line.startswith(f'| `{name}`')]
        assert rows or figures[-1] == '-'
        if not rows:
            continue
        (row,) = rows
        assert [cell.strip() for cell in row.split('|')[2 : 2 + len(figures)]] == figures
        assert Path(entry.config).name in row
        for source in model_index.urls(entry)[:1] or filter(None, [entry.weights]):
            assert Path(source).name in row


def test_the_tables_have_no_other_models(checkout):
    for readme, names in (
        ('README.md', [name for name in NAMES if model_index.models()[name].weights]),
        ('configs/wrn/README.md', NAMES),
    ):
        text = (checkout / readme).read_text()
        rows = re.findall(r'^\| `(wide-resnet[^`]*)`', text, re.MULTILINE)
        assert len(rows) == len({*rows})
        assert {*rows} <= {*names}
