"""What holds for all checkpoint formats, including those to be added."""

from itertools import product

import pytest
import torch

import wrn
from wrn.checkpoints import to_openmmlab
from wrn.checkpoints.formats import FORMATS, TARGETS, recognize
from wrn.checkpoints.writer import SUFFIXES

IMAGENET = dict(type='WideResNet', widen_factor=0.25)
CIFAR = dict(type='WideResNetCIFAR', widen_factor=1, depth=10)
NETWORKS = [
    dict(**IMAGENET, depth=18),
    dict(**IMAGENET, depth=50),
    CIFAR,
    dict(**CIFAR, conv_bias=True),
    dict(**CIFAR, conv_bias='stem'),
    dict(**CIFAR, conv_bias=True, num_stages=4, strides=(2, 2, 2, 2)),
]
META = dict(source='x', dataset_meta=dict(classes=['a', 'b']))


def random_weights(backbone, trained=True):
    """Return the weights of a network.

    Without ``trained``, the first norms of stages 2 and 3 have their initial values.
    """
    generator = torch.Generator().manual_seed(0)
    network = build(backbone)
    for name, value in network.state_dict().items():
        is_untrained = not trained and name.startswith(('layer2.0.norm1', 'layer3.0.norm1'))
        if value.is_floating_point() and not is_untrained:
            value.copy_(torch.rand(value.shape, generator=generator))
    weights = {f'backbone.{name}': value for name, value in network.state_dict().items()}
    return {**weights, 'head.fc.weight': torch.randn(7, 9), 'head.fc.bias': torch.randn(7)}


def build(backbone):
    arguments = dict(backbone)
    return getattr(wrn, arguments.pop('type'))(**arguments)


def same_bits(a, b):
    return a.keys() == b.keys() and all(
        a[key].dtype == b[key].dtype and torch.equal(a[key], b[key]) for key in a
    )


@pytest.fixture(scope='module', params=FORMATS, ids=lambda form: form.name)
def form(request):
    return request.param


@pytest.fixture(scope='module')
def written(form):
    """Networks that the format can hold: config, weights, and the weights in the format."""
    found = []
    for backbone, trained in product(NETWORKS, [True, False]):
        if form.network in (None, backbone['type']):
            ours = random_weights(backbone, trained)
            theirs = form.from_openmmlab(ours)
            if recognize(theirs) is form:
                found.append((backbone, ours, theirs))
    assert found
    return found


def test_names_and_titles_are_unique(form):
    assert form.title.strip()
    assert form.network in (None, 'WideResNet', 'WideResNetCIFAR')
    assert [other.name for other in FORMATS].count(form.name) == 1
    assert [other.title for other in FORMATS].count(form.title) == 1


def test_targets(form):
    targets = form.targets()
    assert form.name in targets
    for name, target in targets.items():
        assert TARGETS[name] == target  # no other format has a target of this name
        assert target.format is form
        assert target.suffix in SUFFIXES
        assert form.network in (None, target.network)
        meta = form.describe(META, name, f'x{target.suffix}')
        assert meta is None or meta['source'] == 'x'
        assert meta is not None or target.suffix == '.pth'


def test_only_this_format_recognizes_its_files(form, written):
    for _, _, theirs in written:
        assert [other for other in FORMATS if other.recognize(theirs)] == [form]


def test_round_trip_through_openmmlab_is_bit_identical(form, written):
    for _, _, theirs in written:
        back = form.to_openmmlab(theirs)
        assert form.find_loss(back) is None
        assert same_bits(form.from_openmmlab(back), theirs)


def test_half_precision_stays(form, written):
    for _, _, theirs in written:
        half = {k: v.half() if v.is_floating_point() else v for k, v in theirs.items()}
        assert same_bits(form.from_openmmlab(form.to_openmmlab(half)), half)


def test_the_reader_finds_the_weights(form, written):
    """Keys need a dot, and prefixes of wrappers, such as ``model.``, are removed."""
    for _, _, theirs in written:
        found = to_openmmlab(theirs, 'x.pth')
        assert found.format is form
        assert same_bits(found.state_dict, form.to_openmmlab(theirs))


def test_unknown_tensors_are_not_lost(form, written):
    odd = torch.ones(1)
    for _, ours, theirs in written:
        read = form.to_openmmlab({**theirs, 'odd.scale': odd})
        converted = form.from_openmmlab({**ours, 'odd.scale': odd})
        assert all(any(value is odd for value in found.values()) for found in (read, converted))


def test_only_dropped_keys_are_lost(form, written):
    for _, ours, theirs in written:
        kept = {key: value for key, value in ours.items() if not key.endswith(form.drops)}
        back = form.to_openmmlab(theirs)
        assert back.keys() == kept.keys()
        assert same_bits(back, kept) == (form.find_loss(ours) is None)


def test_dropped_keys_exist(form, written):
    for ending in form.drops:
        assert any(key.endswith(ending) for _, ours, _ in written for key in ours)


def test_weights_fit_the_implied_network(form, written):
    for backbone, ours, theirs in written:
        implied = form.implies(theirs)
        options = dict(implied.backbone or {})
        assert options.get('type', backbone['type']) == backbone['type']
        assert bool(options) == bool(implied.reason)  # what is inferred says from what
        shapes = {key: value.shape for key, value in ours.items() if not key.startswith('head.')}
        network = build({**backbone, **options})
        assert shapes == {f'backbone.{k}': v.shape for k, v in network.state_dict().items()}
        for values in (implied.normalization or {}).values():
            assert len(values) == 3
