"""Preprocess images by a config's test pipeline."""

from collections.abc import Mapping, Sequence
from itertools import islice
from os import PathLike
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpretrain.registry import TRANSFORMS
from torch import Tensor

from wrn.config.config_errors import config_errors
from wrn.config.config_parts import get_test_dataset
from wrn.data.images.decoding import Reading
from wrn.data.images.find import find_images
from wrn.data.images.read import ImageLike, read_image
from wrn.data.images.reading_step import is_reading, split_reading
from wrn.data.images.selection import LeftOut
from wrn_base.errors import ImageReadError, WrnError

_SMALL_BATCH = 8  # images, measured with wide-resnet50 on a CPU
_MAX_CALIBRATION = 400  # images: a fourth are for the comparison with eager, and NNCF needs 300


class Preprocessing:
    """The test pipeline of a config, without the step that reads files.

    Args:
        config: The config.

    Attributes:
        reading: The options of the step that reads files, for :func:`wrn.data.images.read_image`.
            Without that step, images are read in color, or in gray for a network of one channel.
        red_first: Whether the pipeline works on RGB, not BGR.
        channels: The number of channels of :meth:`example`.

    Raises:
        WrnError: If the config has no test pipeline, or a step cannot be built.
    """

    def __init__(self, config: Config) -> None:
        backbone = (config.get('model') or {}).get('backbone') or {}
        takes = backbone.get('in_channels', 3)
        with config_errors(config.filename):
            reading, transforms = split_reading(get_test_dataset(config).pipeline)
        self.red_first = reading is None
        self.reading = reading or Reading('grayscale' if takes == 1 else 'color')
        gray = self.reading.color_type.startswith('grayscale')
        self.channels = takes if self.reading.color_type == 'unchanged' else 1 if gray else 3
        # PackInputs makes a tensor and a data sample for each image, which takes longer than a
        # network takes for a small image. collate makes one tensor for the whole batch instead.
        self._packs = bool(transforms) and 'PackInputs' in str(transforms[-1].get('type'))
        with config_errors(config.filename), DefaultScope.overwrite_default_scope('mmpretrain'):
            built = [TRANSFORMS.build(step) for step in transforms[: -1 if self._packs else None]]
        self._transform = Compose(built)
        self._name = config.filename

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Preprocess an image.

        Args:
            pixels: What :func:`wrn.data.images.read_image` returns for :attr:`reading`.

        Returns:
            The input of the network's data preprocessor, ``(height, width, C)``, in the channel
            order of the pipeline.
        """
        if self.red_first and pixels.ndim == 3:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        shape = pixels.shape[:2]
        data: Any = self._transform(dict(img=pixels, img_shape=shape, ori_shape=shape))
        if not self._packs:
            return data['inputs'].permute(1, 2, 0).numpy()
        image = data['img']
        return image if image.ndim == 3 else image[..., None]

    def example(self, batch_size: int) -> Tensor:
        """Return a batch of noise, of the size that the pipeline gives a square image.

        Args:
            batch_size: The number of images.

        Returns:
            The batch, ``(batch_size, C, height, width)``, as :func:`collate` returns it.

        Raises:
            WrnError: If a step of the pipeline fails.
        """
        noise = np.random.default_rng(0).integers(0, 256, (256, 256, self.channels), np.uint8)
        noise = noise[..., 0] if self.channels == 1 else noise
        noise = noise.astype(np.float32) if self.reading.to_float32 else noise
        with config_errors(self._name):
            return collate([self(noise)] * batch_size)


def is_red_first(pipeline: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a pipeline works on RGB, not BGR.

    Datasets that hold pixels, such as CIFAR, are RGB. Images that a pipeline loads from files are
    BGR.

    Args:
        pipeline: The config of each step.
    """
    return not any(map(is_reading, pipeline))


def preprocess_sample(
    images: ImageLike | Sequence[ImageLike], preprocessing: Preprocessing
) -> list[np.ndarray]:
    """Read and preprocess images for calibration, evenly spread over all inputs.

    Args:
        images: What :func:`find_images` takes. Images that cannot be read are skipped.
        preprocessing: The preprocessing.

    Returns:
        At most a few hundred images of one size, each ``(H, W, C)``.

    Raises:
        WrnError: If no image can be read, or the sizes after preprocessing differ.
    """
    inputs = images if isinstance(images, str | PathLike) else list(find_images(images))
    number = sum(1 for _ in find_images(inputs, LeftOut()))
    sample = []
    for image in islice(find_images(inputs), 0, None, max(1, -(-number // _MAX_CALIBRATION))):
        try:
            sample.append(preprocessing(read_image(image, preprocessing.reading)))
        except ImageReadError:
            continue
    sizes = {pixels.shape for pixels in sample}
    if len(sizes) != 1:
        raise WrnError(
            'calibration images: their sizes after preprocessing differ; give images of one size'
            if sizes
            else 'calibration images: none of them can be read; give other images'
        )
    return sample


def collate(images: Sequence[np.ndarray]) -> Tensor:
    """Stack preprocessed images of one size into a batch.

    Args:
        images: Each ``(H, W, C)``.

    Returns:
        The batch, ``(N, C, H, W)``. It has the channels-last memory format, unless it is small.
    """
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    # Convolutions are faster in channels-last. But torch converts the weights of each convolution
    # to the memory format of its inputs, every time, which costs more than a small batch gains.
    return batch.contiguous() if len(images) < _SMALL_BATCH else batch
