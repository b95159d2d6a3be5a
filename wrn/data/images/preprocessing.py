"""How a config's test pipeline prepares pictures."""

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
from mmpretrain.datasets import remove_transform
from mmpretrain.registry import TRANSFORMS
from torch import Tensor

from wrn.config.config_parts import get_test_dataset
from wrn.data.images.find import find_images
from wrn.data.images.read import ImageLike, read_image
from wrn.utils.errors import ImageReadError, WrnError

_FEW = 8  # pictures of a batch, for wide-resnet50 on a CPU
_MOST_CALIBRATED = 400  # pictures, a fourth of them to compare: NNCF calibrates with 300


class Preprocessing:
    """Prepare pictures by a config's test pipeline, without its ``LoadImageFromFile``.

    Args:
        config: The config.

    Attributes:
        red_first: Whether the pipeline takes and gives pixels as red, green, blue.

    Raises:
        WrnError: If the config has no test pipeline.
    """

    def __init__(self, config: Config) -> None:
        steps = list(get_test_dataset(config).pipeline)
        transforms = remove_transform(steps, 'LoadImageFromFile')
        self.red_first = is_red_first(steps)
        # Packing makes of each picture a tensor and a data sample, which takes longer than small
        # pictures are computed. A batch is made into one tensor at once.
        self._packs = bool(transforms) and 'PackInputs' in str(transforms[-1].get('type'))
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            built = [TRANSFORMS.build(step) for step in transforms[: -1 if self._packs else None]]
        self._transform = Compose(built)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Prepare a picture.

        Args:
            pixels: ``(H, W, 3)``, uint8, blue, green, red.

        Returns:
            What the network's data preprocessor is to have, ``(height, width, C)``, in the order
            of channels that the pipeline has.
        """
        if self.red_first:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        shape = pixels.shape[:2]
        data: Any = self._transform(dict(img=pixels, img_shape=shape, ori_shape=shape))
        if not self._packs:
            return data['inputs'].permute(1, 2, 0).numpy()
        prepared = data['img']
        return prepared if prepared.ndim == 3 else prepared[..., None]

    def example(self, batch_size: int) -> Tensor:
        """Make inputs of the size that the pipeline gives of a square picture.

        Args:
            batch_size: How many.

        Returns:
            Pictures of noise, ``(batch_size, C, height, width)``, as :func:`collate` gives them.
        """
        noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
        return collate([self(noise)] * batch_size)


def is_red_first(pipeline: Sequence[Mapping[str, Any]]) -> bool:
    """Tell the order of channels in a pipeline.

    Args:
        pipeline: The steps.

    Returns:
        Whether it is red, green, blue, as in data sets that hold pixels, such as CIFAR. What a
        pipeline loads itself from files is blue, green, red.
    """
    return all('LoadImageFromFile' not in str(step.get('type')) for step in pipeline)


def preprocess_sample(
    pictures: ImageLike | Sequence[ImageLike], preparation: Preprocessing
) -> list[np.ndarray]:
    """Read and prepare pictures to calibrate with, evenly spread over all that there are.

    Args:
        pictures: What :func:`find_images` takes. Those that cannot be read are skipped.
        preparation: How they are prepared.

    Returns:
        Some hundred of them at most, all of one size, each ``(H, W, C)``.

    Raises:
        WrnError: If none can be read, or they are prepared to several sizes.
    """
    found = pictures if isinstance(pictures, str | PathLike) else list(find_images(pictures))
    number = sum(1 for _ in find_images(found))
    prepared = []
    for picture in islice(find_images(found), 0, None, max(1, -(-number // _MOST_CALIBRATED))):
        try:
            prepared.append(preparation(read_image(picture)))
        except ImageReadError:
            continue
    sizes = {pixels.shape for pixels in prepared}
    if len(sizes) != 1:
        raise WrnError(
            'the pictures to calibrate with '
            + ('cannot be read' if not sizes else 'are prepared to several sizes, not to one')
        )
    return prepared


def collate(pictures: Sequence[np.ndarray]) -> Tensor:
    """Make a batch of prepared pictures of one size.

    Args:
        pictures: Each ``(H, W, C)``.

    Returns:
        The batch, ``(N, C, H, W)``.
    """
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    # Channels last, convolutions are faster. But torch lays the weights of each out like its
    # inputs, each time, which takes longer than a few pictures gain.
    return batch.contiguous() if len(pictures) < _FEW else batch
