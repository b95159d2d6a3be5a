"""Check that images and class names suit a network."""

import warnings
from collections.abc import Sequence

import numpy as np
from mmengine.model import BaseModel
from mmpretrain.models import MultiLabelClsHead, MultiTaskHead
from torch import nn

from wrn.config.config_errors import config_errors
from wrn.data.images import ImageLike, Preprocessing
from wrn.deploy.classifier import get_num_classes, get_own_config
from wrn_base.errors import ChannelOrderWarning, ImageReadError, WrnError, count

_RGB = 3
_SIDE = 32  # pixels, of the arrays of CIFAR-10 and SVHN


class InputChecks:
    """Check the images for a model.

    Args:
        model: The model, with its config.
        preprocessing: Its preprocessing.
        channel_order: The channel order of arrays, as for :class:`wrn.inference.Predictor`.

    Attributes:
        channel_order: The channel order of arrays, ``'BGR'`` or ``'RGB'``.

    Raises:
        WrnError: If ``channel_order`` is unknown, or the preprocessing fails or gives images of
            another number of channels than the network takes.
    """

    def __init__(
        self, model: BaseModel, preprocessing: Preprocessing, channel_order: str | None
    ) -> None:
        if channel_order not in (None, 'BGR', 'RGB'):
            raise WrnError(f"channel_order={channel_order!r}: must be 'BGR' or 'RGB'")
        self.channel_order = channel_order or 'BGR'
        self._warns = channel_order is None and preprocessing.red_first
        self._channels = find_in_channels(model)
        # Several means, or one, are subtracted from one channel, or from each of several.
        mean = getattr(model.data_preprocessor, 'mean', None)
        self._means = 1 if mean is None else mean.numel()
        name, example = get_own_config(model).filename or 'config', preprocessing.example(1)
        with config_errors(name):
            model.data_preprocessor(dict(inputs=example))  # it raises if the mean is a wrong one
            if preprocessing.reading.color_type != 'unchanged':  # else a file has its own channels
                self.check_channels(example[0].permute(1, 2, 0).numpy(), name)

    def check_order(self, image: ImageLike) -> ImageLike:
        """Warn once of an array whose channel order is assumed, and return it."""
        if self._warns and isinstance(image, np.ndarray) and _is_small_color(image):
            self._warns = False
            warnings.warn(
                "arrays: taken as BGR, as mmpretrain does, but the model's training data are RGB "
                "arrays of such a size; set channel_order='RGB' or channel_order='BGR'",
                ChannelOrderWarning,
                stacklevel=2,
            )
        return image

    def check_channels(self, pixels: np.ndarray, name: str) -> None:
        """Check the channels of a preprocessed image.

        Args:
            pixels: ``(H, W, C)``.
            name: The name of the image or config, for the message.

        Raises:
            ImageReadError: If the network does not take so many.
        """
        found = pixels.shape[2]
        result = max(found, self._means)
        fits = self._means in (1, found) or (found, self._means) == (1, _RGB)  # gray, as RGB
        if not fits or self._channels not in (None, result):
            takes = self._channels or self._means
            raise ImageReadError(
                f'{name}: images are read with {count(found, "channel")}, but the network takes '
                f"{takes}; change color_type in the config's test pipeline"
            )


def find_in_channels(model: nn.Module) -> int | None:
    """Return the number of channels that a network takes, by its first convolution.

    Args:
        model: The model.

    Returns:
        The number. None if it has no convolution.
    """
    modules = getattr(model, 'backbone', model).modules()
    return next((m.in_channels for m in modules if isinstance(m, nn.Conv2d)), None)


def check_outputs(model: BaseModel, classes: Sequence[str] | None) -> bool:
    """Check that results can be made from the head of a model.

    Args:
        model: The model.
        classes: The names of its classes; None if the caller gives none.

    Returns:
        Whether the head predicts any number of classes per image.

    Raises:
        WrnError: If it has several tasks, or the number of names is wrong.
    """
    number, head = get_num_classes(model), getattr(model, 'head', None)
    if classes is not None and number is not None and number != len(classes):
        raise WrnError(
            f'classes: has {count(len(classes), "name")}, but the model has '
            f'{count(number, "class")}; give one name for each class'
        )
    if isinstance(head, MultiTaskHead):
        raise WrnError('MultiTaskHead: predicts several tasks; test it with `wrn test`')
    return isinstance(head, MultiLabelClsHead)


def _is_small_color(image: np.ndarray) -> bool:
    small = image.ndim == 3 and image.shape[2] > 2 and max(image.shape[:2]) <= _SIDE
    return small and not np.array_equal(image[..., 0], image[..., 2])
