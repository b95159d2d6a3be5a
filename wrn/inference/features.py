"""Pictures in, features of a network's stages out."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmpretrain.models import GlobalAveragePooling, ImageClassifier, ResNet
from torch import Tensor

from wrn.data.images import ImageLike, find_images
from wrn.deploy.classifier import deploy
from wrn.inference.predictor import Predictor
from wrn.utils.errors import ImageReadError, WrnError
from wrn.zoo.factory import get_model

STAGES = ('layer2', 'layer3')


class Features(NamedTuple):
    """What the stages of a network compute of a picture."""

    path: str | None
    """Where the picture was read from; None of pixels."""
    stages: dict[str, np.ndarray]
    """By the name of each stage ``(C,)`` if they are pooled, else ``(C, H, W)``; float32."""


class FeatureExtractor:
    """Compute the features of pictures with one model.

    Pictures are prepared by the model's config, as :class:`Predictor` does. The network runs up to
    the last of the stages that are asked for.

    Args:
        model: The model, which is put into eval mode; it must know its config, as those of
            :func:`wrn.get_model` do.
        stages: Names of the stages, ``layer1`` and so on. Defaults to ``('layer2', 'layer3')``.
        pool: Whether to average over height and width. Defaults to False.
        backend: What runs the network, as for :func:`wrn.get_model`. Defaults to ``'eager'``.
        precision: What it computes in, likewise. Defaults to ``'float32'``.
        batch_size: How many pictures the backend is to take at a time. Defaults to 1.
        calibration: Pictures to calibrate ``'int8'`` with. Defaults to None.

    Attributes:
        stages: Names of the stages, in the order in which they were given.

    Raises:
        WrnError: If the network has no such stages, or the backend cannot be had.
    """

    def __init__(
        self,
        model: BaseModel,
        stages: Sequence[str] = STAGES,
        pool: bool = False,
        backend: str = 'eager',
        precision: str = 'float32',
        batch_size: int = 1,
        calibration: ImageLike | Sequence[ImageLike] | None = None,
    ) -> None:
        self.stages = [stages] if isinstance(stages, str) else list(stages)
        network = _cut(model, self.stages, pool)
        self._predictor = Predictor(deploy(network, backend, precision, batch_size, calibration))

    @property
    def backend(self) -> str:
        """The name of what runs the network."""
        engine = getattr(self._predictor.model, 'engine', None)
        return engine.name if engine else 'eager'

    def stream(
        self, pictures: Iterable[ImageLike], batch_size: int = 1, workers: int = 0
    ) -> Iterator[Features | ImageReadError]:
        """Compute features one batch after the other, in memory that does not grow.

        Args:
            pictures: Single pictures, as :func:`find_images` finds them.
            batch_size: How many pictures to run at a time. Defaults to 1.
            workers: How many threads prepare pictures while the network runs. Defaults to 0: they
                are prepared in between.

        Yields:
            For each picture, in order, its features, or the error if it cannot be read.
        """
        for batch in self._predictor.batches(pictures, batch_size, workers):
            features = self._compute(batch.inputs)
            for item in batch.pictures:
                if isinstance(item, ImageReadError):
                    yield item
                else:
                    yield Features(item.get('img_path'), next(features))

    def _compute(self, inputs: Iterable[Tensor]) -> Iterator[dict[str, np.ndarray]]:
        """Run the network on normalised pictures, ``(N, C, H, W)``; yield the features of each."""
        for batch in inputs:
            with torch.no_grad():
                outputs = self._predictor.model.extract_feat(batch)
            arrays = [output.cpu().numpy() for output in outputs]
            names = sorted(self.stages)  # the order in which the network computes them
            for features in zip(*arrays, strict=True):
                by_name = dict(zip(names, features, strict=True))
                yield {name: by_name[name] for name in self.stages}


def extract_features(
    model: str | PathLike | Config | BaseModel,
    inputs: ImageLike | Sequence[ImageLike],
    stages: Sequence[str] = STAGES,
    pool: bool = False,
    pretrained: bool | str | PathLike = True,
    device: str | torch.device | None = None,
    backend: str = 'eager',
    precision: str = 'float32',
    batch_size: int = 1,
    workers: int = 0,
    calibration: ImageLike | Sequence[ImageLike] | None = None,
) -> dict[str, np.ndarray]:
    """Compute the features that stages of a network give of pictures.

    All of them are in memory at once; for more than fit, take ``wrn features``, which writes them
    to a file, or :meth:`wrn.inference.FeatureExtractor.stream`.

    Args:
        model: The name of a model, a model, a config, or the path of a config or of weights that
            hold one.
        inputs: A path, URL, array, PIL picture, folder, glob pattern, list, archive, or a sequence
            of these.
        stages: Names of the stages, ``layer1`` and so on. Defaults to ``('layer2', 'layer3')``.
        pool: Whether to average over height and width. Defaults to False.
        pretrained: As for :func:`wrn.get_model`. Defaults to True. Of no effect on a model.
        device: Where to run. Defaults to None: the accelerator if there is one, or where the
            given model is.
        backend: What runs the network, as for :func:`wrn.get_model`. Defaults to ``'eager'``.
        precision: What it computes in, likewise. Defaults to ``'float32'``.
        batch_size: How many pictures to run at a time. Defaults to 1.
        workers: How many threads prepare pictures ahead. Defaults to 0.
        calibration: Pictures to calibrate ``'int8'`` with. Defaults to None.

    Returns:
        The features by the name of each stage, in the order of the pictures, ``(N, C)`` if they
        are pooled, else ``(N, C, H, W)``; float32. A single picture has ``N`` = 1.

    Raises:
        WrnError: If the model, a stage or the backend cannot be had, or the maps have several
            sizes.
        ImageReadError: If a picture cannot be read.
    """
    if isinstance(model, BaseModel):
        network = model if device is None else model.to(device)
    else:
        network = get_model(model, pretrained, device or get_device(), head=None, neck=None)
    extractor = FeatureExtractor(network, stages, pool, backend, precision, batch_size, calibration)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in extractor.stages}
    for features in check_same_size(extractor.stream(find_images(inputs), batch_size, workers)):
        if isinstance(features, ImageReadError):
            raise features
        for name, values in features.stages.items():
            rows[name].append(values)
    return {name: np.stack(values) for name, values in rows.items()}


def check_same_size(
    stream: Iterable[Features | ImageReadError],
    first: Mapping[str, tuple[int, ...]] | None = None,
) -> Iterator[Features | ImageReadError]:
    """Pass features on as long as they have the shapes of the first.

    Args:
        stream: What :meth:`FeatureExtractor.stream` yields.
        first: The shapes of earlier features, by stage. Defaults to None.

    Yields:
        The same.

    Raises:
        WrnError: If features have other shapes.
    """
    for features in stream:
        if isinstance(features, Features):
            shapes = {name: values.shape for name, values in features.stages.items()}
            first = first or shapes
            if shapes != first:
                name = next(iter(first))
                raise WrnError(
                    f'{features.path or "picture"}: its features of {name} are '
                    f'{format_shape(shapes[name])}, those before it {format_shape(first[name])}; '
                    'maps are of one size: pool them, or let the config crop the pictures'
                )
        yield features


def format_shape(shape: Sequence[int]) -> str:
    """Write a shape as in ``512x28x28``."""
    return 'x'.join(map(str, shape))


def _cut(model: BaseModel, stages: Sequence[str], pool: bool) -> BaseModel:
    """Make a network of the same weights that computes the features of some stages."""
    backbone: Any = copy.copy(getattr(model, 'backbone', None))
    known = list(getattr(backbone, 'res_layers', ()))
    if not known:
        raise WrnError(
            f'{type(backbone or model).__name__}: has no stages layer1 and so on; take a '
            'Wide-ResNet or ResNet, and one that is not in an engine yet'
        )
    if not stages or len(set(stages)) < len(stages) or not set(stages) <= set(known):
        raise WrnError(f'--stages {" ".join(stages)}: must be different ones of {", ".join(known)}')
    backbone.out_indices = tuple(sorted(known.index(name) for name in stages))
    if isinstance(backbone, ResNet):  # WideResNetCIFAR's norm knows the last stage by its place
        backbone.res_layers = known[: backbone.out_indices[-1] + 1]
    neck = GlobalAveragePooling() if pool else None
    network = ImageClassifier(backbone, neck, data_preprocessor=model.data_preprocessor)
    for attribute in ('_config', '_metainfo', '_dataset_meta'):
        if hasattr(model, attribute):
            setattr(network, attribute, getattr(model, attribute))
    return network.eval()
