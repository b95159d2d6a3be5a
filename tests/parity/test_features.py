"""Features equal those of torchvision and timm with the same weights, bit for bit."""

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from torch.nn import functional
from torchvision.models import Wide_ResNet50_2_Weights
from torchvision.models.feature_extraction import create_feature_extractor

import wrn
from wrn.inference import FeatureExtractor, Predictor

STAGES = ('layer1', 'layer2', 'layer3', 'layer4')
SIZES = [(640, 427), (225, 301), (31, 500)]


@pytest.fixture
def images(photograph):
    return [Image.open(photograph).convert('RGB').resize(size) for size in SIZES]


@pytest.fixture
def build(randomize):
    """Build the feature function of a library's network, and our network with its weights."""

    def build(library, depth):
        name = f'wide_resnet{depth}_2'
        if library == 'torchvision':
            reference = randomize(getattr(torchvision.models, name)())
            extractor = create_feature_extractor(reference, list(STAGES))
        else:
            extractor = timm.create_model(name, features_only=True, out_indices=(1, 2, 3, 4))
            reference = randomize(extractor)
        ours = wrn.get_model(f'configs/wrn/wide-resnet{depth}_8xb32_in1k.py', head=None, neck=None)
        ours.load_state_dict(  # strict: the keys are the same
            {
                f'backbone.{key}': value
                for key, value in reference.state_dict().items()
                if not key.startswith('fc.')
            }
        )

        @torch.no_grad()
        def theirs(inputs):
            features = extractor(inputs)
            return list(features.values()) if isinstance(features, dict) else features

        return theirs, ours

    return build


def preprocess(model, images):
    """Return the network's inputs; test_preprocessing.py shows that the libraries' are equal."""
    (((inputs,), _),) = Predictor(model).batches(images, batch_size=len(images))
    return inputs


def compute(model, images, **kwargs):
    """Return the features of images, one array for each stage."""
    return list(wrn.extract_features(model, images, STAGES, **kwargs).values())


# The deeper network gets smaller crops, for speed.
@pytest.mark.parametrize(('depth', 'crop'), [(50, 224), (101, 96)])
@pytest.mark.parametrize('library', ['torchvision', 'timm'])
def test_maps_and_pooled(build, images, library, depth, crop):
    theirs, ours = build(library, depth)
    ours._config.test_dataloader.dataset.pipeline[2].crop_size = crop
    expected = theirs(preprocess(ours, images))
    assert min(maps.std() for maps in expected) > 0.1  # random weights, but not a dead network
    maps = compute(ours, images, batch_size=3)
    assert [m.shape for m in maps] == [
        (3, 256 << stage, crop >> stage + 2, crop >> stage + 2) for stage in range(4)
    ]
    for m, e in zip(maps, expected, strict=True):
        assert np.array_equal(m, e.numpy())
    pooled = compute(ours, images[:1], pool=True)
    for p, e in zip(pooled, theirs(preprocess(ours, images[:1])), strict=True):
        assert np.array_equal(p, functional.adaptive_avg_pool2d(e, 1).flatten(1).numpy())
    extract = FeatureExtractor(ours, STAGES)._predictor.model.extract_feat
    for size in ((1, 3, 97, 131), (3, 3, 33, 65)):
        inputs = torch.randn(size, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            for m, e in zip(extract(inputs), theirs(inputs), strict=True):
                assert torch.equal(m, e)


def test_images_to_features(build, images):
    """Preprocessing and network together, ours and torchvision's."""
    theirs, ours = build('torchvision', 50)
    transform = Wide_ResNet50_2_Weights.IMAGENET1K_V1.transforms()
    expected = theirs(torch.stack([transform(image) for image in images]))
    for m, e in zip(compute(ours, images, batch_size=3), expected, strict=True):
        # The mean is subtracted before or after the division by 255, which rounds differently;
        # the difference passes through 50 layers.
        np.testing.assert_allclose(m, e.numpy(), rtol=0, atol=1e-5 * e.abs().max().item())


@pytest.mark.parametrize('depth', [50, 101])
def test_later_stages_are_not_computed(photograph, depth):
    model = wrn.get_model(f'wide-resnet{depth}')
    model.backbone.layer4.forward = None
    extractor = FeatureExtractor(model, ('layer3', 'layer1'))
    (features,) = extractor.stream([photograph])
    assert list(features.stages) == ['layer3', 'layer1']
    assert features.stages['layer1'].shape == (256, 56, 56)


@pytest.mark.parametrize('pool', [False, True])
def test_the_network_of_the_paper(digits_weights, checkout, pool):
    """As the backbone and mmpretrain's pooling return them, in batches, in any order of stages."""
    images = [checkout / f'demo/digit_{digit}.png' for digit in (3, 7, 3)]
    model = wrn.get_model(
        'wide-resnet16-2_1xb64_digits', True, backbone=dict(out_indices=(0, 1, 2))
    )
    with torch.no_grad():
        stage = 'neck' if pool else 'backbone'
        expected = model.extract_feat(preprocess(model, images), stage=stage)
    stages = ('layer3', 'layer1', 'layer2')
    ours = wrn.extract_features(model, images, stages, pool, batch_size=3, workers=2)
    assert list(ours) == list(stages)
    for i, maps in enumerate(expected):
        assert np.array_equal(ours[f'layer{i + 1}'], maps.numpy())
    assert model.backbone.out_indices == (0, 1, 2)
    assert model.with_head
