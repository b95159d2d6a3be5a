"""The networks for ``torch.hub.load``, from a checkout or by the address of one.

Each is built by :func:`wrn.get_model`, and maps normalized images ``(N, 3, H, W)`` to logits.
"""

import os as _os
from typing import Any as _Any

from wrn import WrnError as _WrnError
from wrn import get_model as _get_model
from wrn_base import model_index as _model_index

dependencies = [
    'cv2',
    'filelock',
    'huggingface_hub',
    'matplotlib',
    'mmcv',
    'mmengine',
    'mmpretrain',
    'modelindex',
    'numpy',
    'packaging',
    'PIL',
    'rich',
    'safetensors',
    'torch',
    'torchvision',
    'typing_extensions',
]


def wide_resnet50(pretrained: bool | str = False, **kwargs: _Any) -> _Any:
    """Build wide-resnet50 for images of 224x224 pixels, torchvision's ``wide_resnet50_2``.

    Args:
        pretrained: The name of published weights of this network, such as
            ``'wide-resnet50_3rdparty_8xb32_in1k'`` or ``'timm/wide_resnet50_2.racm_in1k'``, or the
            path or URL of a file of weights. Defaults to False, random weights.
        **kwargs: The other arguments of :func:`wrn.get_model`, such as
            ``head=dict(num_classes=37)``.

    Returns:
        The model in eval mode. ``model.data_preprocessor`` has its mean and std for pixels from 0
        to 255.

    Raises:
        WrnError: If ``pretrained`` is True, since there are several sets of weights, or if the
            weights are unknown or of another network.
    """
    return _build('wide-resnet50', pretrained, kwargs)


def wide_resnet101(pretrained: bool | str = False, **kwargs: _Any) -> _Any:
    """Build wide-resnet101 for images of 224x224 pixels, torchvision's ``wide_resnet101_2``.

    Args:
        pretrained: As for ``wide_resnet50``. Defaults to False, random weights.
        **kwargs: As for ``wide_resnet50``.

    Returns:
        As for ``wide_resnet50``.

    Raises:
        WrnError: As for ``wide_resnet50``.
    """
    return _build('wide-resnet101', pretrained, kwargs)


def wide_resnet(name: str, pretrained: bool | str = False, **kwargs: _Any) -> _Any:
    """Build a model of any name, such as ``'wide-resnet28-10_8xb16_cifar10'``.

    Args:
        name: The name of a model, as ``wrn list`` prints them, or of a config of this package.
        pretrained: True for the weights of this name, or the path or URL of a file of weights.
            Defaults to False, random weights.
        **kwargs: The other arguments of :func:`wrn.get_model`.

    Returns:
        The model in eval mode.

    Raises:
        WrnError: If the name or the file of weights is unknown.

    Warns:
        RandomWeightsWarning: If ``pretrained`` is True, and no weights of this name are published.
    """
    return _get_model(name, pretrained, **kwargs)


def _build(network: str, pretrained: bool | str, kwargs: dict[str, _Any]) -> _Any:
    if pretrained and not isinstance(pretrained, str):
        _model_index.reject_ambiguous(f'{network.replace("-", "_")}_2')
    if isinstance(pretrained, str):
        _model_index.reject_ambiguous(pretrained)
        if entry := _model_index.find(pretrained):
            if not entry.name.startswith(f'{network}_'):
                raise _WrnError(f'{pretrained}: not weights of {network}; give the name of some')
            return _get_model(entry.name, True, **kwargs)
        if not (
            _os.path.exists(pretrained) or _os.path.splitext(pretrained)[1] or '/' in pretrained
        ):
            raise _WrnError(
                f'{pretrained!r}: no published weights of {network}, and no file; `wrn list` shows '
                'those with weights'
            )
    return _get_model(network, pretrained, **kwargs)
