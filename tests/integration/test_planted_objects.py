"""Maps of a network that has learned to find an object lie on the object."""

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

import wrn
from wrn.inference.explanations import METHODS, Explainer

SIDE, OBJECT = 32, 12


def plant(labels, rng, place=None):
    """Return noise with a square of stripes, whose direction is the class, and its corners."""
    rows, columns = np.mgrid[:OBJECT, :OBJECT] // 2 % 2
    textures = 4.0 * np.stack([rows, columns, rows ^ columns]) - 2
    images = rng.normal(0, 0.5, (len(labels), 3, SIDE, SIDE)).astype(np.float32)
    corners = [place or tuple(rng.integers(0, SIDE - OBJECT + 1, 2)) for _ in labels]
    for image, label, (y, x) in zip(images, labels, corners, strict=True):
        image[:, y : y + OBJECT, x : x + OBJECT] = textures[label]
    return torch.from_numpy(images), corners


@pytest.fixture(scope='module')
def model():
    """A network that has learned the three classes of stripes."""
    backbone, head = dict(depth=10, widen_factor=1), dict(num_classes=3, in_channels=64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = wrn.get_model('wide-resnet28-10_8xb16_cifar10', backbone=backbone, head=head)
    optimizer = torch.optim.Adam(model.train().parameters(), 3e-3)
    rng = np.random.default_rng(0)
    for _ in range(50):
        labels = rng.integers(0, 3, 24)
        loss = functional.cross_entropy(model(plant(labels, rng)[0]), torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def resize(maps):
    """Return the positive parts of maps at the size of the images; the sum of each is 1."""
    heat = [cv2.resize(raw, (SIDE, SIDE)) for raw in np.maximum(maps, 0)]
    return [values / values.sum() for values in heat]


@pytest.mark.parametrize('layer', [None, 'layer2'])
@pytest.mark.parametrize('method', METHODS)
def test_maps_lie_on_the_object(model, method, layer):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 24)
    images, corners = plant(labels, rng)
    assert (model(images).argmax(1).numpy() == labels).mean() > 0.9
    shares = []
    for heat, (y, x) in zip(
        resize(Explainer(model, method, layer)(images, labels)), corners, strict=True
    ):
        shares.append(heat[y : y + OBJECT, x : x + OBJECT].sum())
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        assert y <= row < y + OBJECT
        assert x <= column < x + OBJECT
    assert np.mean(shares) > 0.5  # on 14 % of the area


def test_maps_move_with_the_object(model):
    rng = np.random.default_rng(2)
    explainer = Explainer(model)
    for y, x in ((0, 0), (0, 20), (20, 0), (20, 20), (10, 10)):
        images, _ = plant([0, 1, 2], rng, (y, x))
        for heat in resize(explainer(images, [0, 1, 2])):
            center = [(np.arange(SIDE) * heat.sum(axis)).sum() for axis in (1, 0)]
            assert np.abs(np.subtract(center, (y + OBJECT / 2, x + OBJECT / 2))).max() < 4


def test_other_classes_are_not_where_the_object_is(model):
    """The object speaks for its class and against the others."""
    rng = np.random.default_rng(3)
    labels = np.array([0, 1, 2] * 4)
    images, corners = plant(labels, rng)
    own = Explainer(model, 'hirescam')(images, labels)
    other = Explainer(model, 'hirescam')(images, (labels + 1) % 3)
    for maps, sign in ((own, 1), (other, -1)):
        for raw, (y, x) in zip(maps, corners, strict=True):
            whole = cv2.resize(raw, (SIDE, SIDE))
            assert sign * whole[y : y + OBJECT, x : x + OBJECT].mean() > 0
