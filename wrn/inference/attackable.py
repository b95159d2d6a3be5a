"""A classifier of images from 0 to 1, for libraries of adversarial attacks."""

from typing import Any

from mmengine.model import BaseModel
from torch import Tensor, nn

from wrn.deploy.classifier import DeployedClassifier, original_model
from wrn.inference.seen_pixels import takes_bgr
from wrn_base.errors import WrnError


def as_classifier(model: BaseModel) -> nn.Module:
    """Wrap a model as a module from images to logits, with the normalization inside.

    Libraries of adversarial attacks, such as torchattacks and AutoAttack, expect such modules. The
    module is differentiable with respect to the images. It resizes nothing.

    Args:
        model: A classifier with its config, such as one from :func:`wrn.get_model`. It may be
            compiled by :func:`torch.compile`.

    Returns:
        A module in the mode of the model, which it contains as ``model``. It maps RGB images
        ``(N, 3, H, W)`` from 0 to 1 to logits ``(N, num_classes)``.

    Raises:
        WrnError: If the model has no config or no head, or runs in a backend, which has no
            gradients; and by the module, if images have another type or number of channels.

    Example:
        >>> import torch, wrn
        >>> model = wrn.as_classifier(wrn.get_model('wide-resnet16-2_1xb64_digits', True))
        >>> model(torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 10])
    """
    original: Any = original_model(model)
    if not isinstance(original, BaseModel):
        raise WrnError(f'{type(model).__name__}: not a model; give one from wrn.get_model')
    if isinstance(original, DeployedClassifier):
        raise WrnError('the model runs in a backend, which has no gradients; use backend eager')
    if not original.with_head:
        raise WrnError('the model has no head, so it has no logits; build it with its head')
    return _Classifier(model, flip=takes_bgr(original))


class _Classifier(nn.Module):
    """See :func:`as_classifier`. ``flip`` is whether the network takes BGR."""

    def __init__(self, model: BaseModel, flip: bool) -> None:
        super().__init__()
        self.model = model
        self.flip = flip
        convolutions = (m for m in model.modules() if isinstance(m, nn.Conv2d))
        self.channels = next(convolutions).in_channels
        self.training = model.training

    def forward(self, images: Tensor) -> Tensor:
        if not images.is_floating_point() or images.shape[1:2] != (self.channels,):
            raise WrnError(
                f'images: are {tuple(images.shape)}, {images.dtype}; give floating-point images '
                f'from 0 to 1, (N, {self.channels}, H, W)'
            )
        inputs = 255 * (images.flip(1) if self.flip else images)
        preprocessor: Any = self.model.data_preprocessor
        if preprocessor._enable_normalize:  # in the precision of the images, unlike mmpretrain
            inputs = (inputs - preprocessor.mean.to(inputs)) / preprocessor.std.to(inputs)
        return self.model(inputs.to(next(self.model.parameters()).dtype))
