"""Compute the features of a network's stages."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from mmengine.model import BaseModel
from mmpretrain.models import GlobalAveragePooling, ImageClassifier, ResNet
from torch import Tensor

from wrn.data.images import ImageLike
from wrn.deploy.classifier import deploy, original_model
from wrn.inference.predictor import Predictor
from wrn_base.errors import ImageReadError, WrnError

STAGES = ('layer2', 'layer3')


class Features(NamedTuple):
    """The features of an image."""

    path: str | None
    """The path or URL of the image. None for an array or PIL image."""
    stages: dict[str, np.ndarray]
    """The features by stage, float32: ``(C,)`` if pooled, else ``(C, H, W)``."""


class FeatureExtractor:
    """Compute the features of images with one model.

    Images are preprocessed by the model's config, as in :class:`Predictor`. The network runs only
    up to the last of the stages.

    Args:
        model: A model with its config, such as one from :func:`wrn.get_model`. It is put into eval
            mode.
        stages: The names of the stages, such as ``layer1``. Defaults to ``('layer2', 'layer3')``.
        pool: Whether to average over height and width. Defaults to False.
        backend: As for :func:`wrn.get_model`. Defaults to ``'eager'``.
        precision: As for :func:`wrn.get_model`. Defaults to ``'float32'``.
        batch_size: The number of images that the backend runs at a time. Defaults to 1.
        calibration: Images to calibrate ``precision='int8'`` with. Defaults to None.
        channel_order: As for :class:`Predictor`. Defaults to None.

    Attributes:
        stages: The names of the stages, in the given order.

    Raises:
        WrnError: If the network has no such stages, or the backend is unavailable.
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
        channel_order: str | None = None,
    ) -> None:
        self.stages = [stages] if isinstance(stages, str) else list(stages)
        network = _cut(original_model(model), self.stages, pool)
        network = deploy(network, backend, precision, batch_size, calibration)
        self._predictor = Predictor(network, channel_order=channel_order)

    @property
    def backend(self) -> str:
        """The name of the backend."""
        engine = getattr(self._predictor.model, 'engine', None)
        return engine.name if engine else 'eager'

    def stream(
        self, images: Iterable[ImageLike], batch_size: int = 1, workers: int = 0
    ) -> Iterator[Features | ImageReadError]:
        """Compute features one batch after the other, in memory that does not grow.

        Args:
            images: As for :meth:`Predictor.stream`.
            batch_size: The number of images to run at a time. Defaults to 1.
            workers: The number of threads that preprocess images while the network runs. Defaults
                to 0: preprocessing and network alternate.

        Yields:
            The features of each image, in order, or the error if it cannot be read.
        """
        for meta, stages in self._predictor.run(self._compute, images, batch_size, workers):
            if isinstance(meta, ImageReadError):
                yield meta
            else:
                yield Features(meta.get('img_path'), stages)

    def _compute(self, batch: Tensor) -> list[dict[str, np.ndarray]]:
        outputs = self._predictor.model.extract_feat(batch)
        names = sorted(self.stages)  # the order in which the network computes them
        arrays = {name: o.float().cpu().numpy() for name, o in zip(names, outputs, strict=True)}
        return [{name: arrays[name][i] for name in self.stages} for i in range(len(batch))]


def check_same_size(
    stream: Iterable[Features | ImageReadError],
    first: Mapping[str, tuple[int, ...]] | None = None,
) -> Iterator[Features | ImageReadError]:
    """Check that all features have the shapes of the first ones.

    Args:
        stream: What :meth:`FeatureExtractor.stream` yields.
        first: The shapes of earlier features by stage. Defaults to None.

    Yields:
        The same features and errors.

    Raises:
        WrnError: If the shapes of features differ.
    """
    for features in stream:
        if isinstance(features, Features):
            shapes = {name: values.shape for name, values in features.stages.items()}
            first = first or shapes
            if shapes != first:
                name = next(iter(first))
                raise WrnError(
                    f'{features.path or "image"}: its features of {name} are '
                    f'{format_shape(shapes[name])}, those of earlier images '
                    f'{format_shape(first[name])}; pool them, or crop the images in the config'
                )
        yield features


def format_shape(shape: Sequence[int]) -> str:
    """Return a shape as text, such as ``512x28x28``."""
    return 'x'.join(map(str, shape))


def _cut(model: BaseModel, stages: Sequence[str], pool: bool) -> BaseModel:
    """Return a network that computes the features of some stages, with the same weights."""
    backbone: Any = copy.copy(getattr(model, 'backbone', None))
    known = list(getattr(backbone, 'res_layers', ()))
    if not known:
        raise WrnError(
            f'{type(backbone or model).__name__}: has no stages such as layer1; use a '
            'Wide-ResNet or ResNet that does not already run in a backend'
        )
    if not stages or len(set(stages)) < len(stages) or not set(stages) <= set(known):
        raise WrnError(
            f'--stages {" ".join(stages)}: must be distinct and among {", ".join(known)}'
        )
    backbone.out_indices = tuple(sorted(known.index(name) for name in stages))
    if isinstance(backbone, ResNet):  # not WideResNetCIFAR: its final norm follows the last stage
        backbone.res_layers = known[: backbone.out_indices[-1] + 1]
    else:
        backbone.out_before_norm = False
    neck = GlobalAveragePooling() if pool else None
    network = ImageClassifier(backbone, neck, data_preprocessor=model.data_preprocessor)
    for attribute in ('_config', '_metainfo', '_dataset_meta'):
        if hasattr(model, attribute):
            setattr(network, attribute, getattr(model, attribute))
    return network.eval()
