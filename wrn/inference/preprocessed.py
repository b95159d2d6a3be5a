"""An image that is ready for the network."""

from os import PathLike
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from wrn.data.images import EncodedImage, ImageLike, Preprocessing, read_image
from wrn.inference.input_checks import InputChecks
from wrn_base.errors import ImageReadError

Meta: TypeAlias = dict[str, Any]


class PreprocessedImage(NamedTuple):
    """An image that is read and preprocessed.

    Attributes:
        pixels: ``(H, W, C)``, as the test pipeline returns them. None if it cannot be read.
        meta: Its ``img_path`` and shapes, or the error if it cannot be read.
    """

    pixels: np.ndarray | None
    meta: Meta | ImageReadError


def preprocess_image(
    image: ImageLike, preprocessing: Preprocessing, checks: InputChecks
) -> PreprocessedImage:
    """Read and preprocess an image.

    Args:
        image: The image.
        preprocessing: The test pipeline.
        checks: Check that the image suits the network.
    """
    path = str(image) if isinstance(image, str | PathLike | EncodedImage) else None
    try:
        original = read_image(image, preprocessing.reading, checks.channel_order)
        pixels = preprocessing(original)
        checks.check_channels(pixels, path or 'image')
    except ImageReadError as error:
        return PreprocessedImage(None, error)
    except Exception as error:  # one damaged or odd image must not end the whole run
        problem = ImageReadError(
            f'{path or "image"}: cannot be preprocessed ({error!r}); replace the image, or '
            "change the config's test pipeline"
        )
        return PreprocessedImage(None, problem)
    meta: Meta = dict(ori_shape=original.shape[:2], img_shape=pixels.shape[:2])
    return PreprocessedImage(pixels, meta | dict(img_path=path) if path else meta)
