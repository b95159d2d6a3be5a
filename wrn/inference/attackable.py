"""A classifier of images from 0 to 1, for libraries of adversarial attacks."""

from mmengine.model import BaseModel
from torch import Tensor, nn

from wrn.config.config_parts import get_test_dataset
from wrn.data.images.preprocessing import is_red_first
from wrn.deploy.classifier import DeployedClassifier, get_own_config
from wrn.utils.errors import WrnError


def as_classifier(model: BaseModel) -> nn.Module:
    """Wrap a model as a module from images to logits, with the normalization inside.

    Libraries of adversarial attacks, such as torchattacks and AutoAttack, expect such modules. The
    module is differentiable with respect to the images. It resizes nothing.

    Args:
        model: A classifier with its config, such as one from :func:`wrn.get_model`.

    Returns:
        A module in the mode of the model, which it contains as ``model``. It maps RGB images
        ``(N, 3, H, W)`` from 0 to 1 to logits ``(N, num_classes)``.

    Raises:
        WrnError: If the model has no config or no head, or runs in a backend, which has no
            gradients.

    Example:
        >>> import torch, wrn
        >>> model = wrn.as_classifier(wrn.get_model('wide-resnet16-2_1xb64_digits', True))
        >>> model(torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 10])
    """
    if isinstance(model, DeployedClassifier):
        raise WrnError('the model runs in a backend, which has no gradients; use backend eager')
    if not model.with_head:
        raise WrnError('the model has no head, so it has no logits; build it with its head')
    return _Classifier(model, is_red_first(get_test_dataset(get_own_config(model)).pipeline))


class _Classifier(nn.Module):
    """See :func:`as_classifier`. ``red_first`` is whether the data preprocessor takes RGB."""

    def __init__(self, model: BaseModel, red_first: bool) -> None:
        super().__init__()
        self.model = model
        self.red_first = red_first
        self.training = model.training

    def forward(self, images: Tensor) -> Tensor:
        pixels = 255 * (images if self.red_first else images.flip(1))
        return self.model(self.model.data_preprocessor(dict(inputs=pixels))['inputs'])
