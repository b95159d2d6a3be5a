"""Weight the loss of each class by the inverse of its number of images."""

import logging
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmpretrain.models import CrossEntropyLoss, LabelSmoothLoss
from mmpretrain.registry import MODELS

from wrn.config.config_parts import find_class, get_inner_model
from wrn_base.errors import WrnError, count

_logger = logging.getLogger('wrn')


def balance_loss(cfg: Config, numbers: Sequence[int], classes: Sequence[str]) -> None:
    """Set the ``class_weight`` of the loss, so that each class has the same total weight.

    The weights are those that scikit-learn calls ``'balanced'``: N / (C * n_c) for class c with n_c
    of N images, of C classes. Their mean over all images is 1, so the learning rate still fits.

    Args:
        cfg: The config, which is changed. The range of the weights is logged.
        numbers: The number of training images of each class, at least 1.
        classes: The class names.

    Raises:
        WrnError: If the loss is not for one class per image, or has weights already.
    """
    loss: Any = (get_inner_model(cfg.model).get('head') or {}).get('loss') or {}
    kind = find_class(MODELS, loss.get('type'))
    multi_label = loss.get('use_sigmoid') or loss.get('mode') == 'multi_label'
    if kind not in (CrossEntropyLoss, LabelSmoothLoss) or multi_label:
        what = f'a multi-label {loss.get("type")}' if multi_label else loss.get('type')
        raise WrnError(
            f'--balance: the loss is {what}, but class weights need a CrossEntropyLoss or '
            'LabelSmoothLoss for one class per image; leave --balance out'
        )
    if loss.get('class_weight'):
        raise WrnError(
            '--balance: model.head.loss has a class_weight of its own; leave one of them out'
        )
    total, most, least = sum(numbers), max(numbers), min(numbers)
    loss.class_weight = [total / (len(numbers) * number) for number in numbers]
    if most == least:
        _logger.info('--balance: all classes have %s, so their weights are 1', count(most, 'image'))
        return
    ends = [
        f'{loss.class_weight[i]:.3g} ({classes[i]}, {count(numbers[i], "image")})'
        for i in (numbers.index(most), numbers.index(least))
    ]
    _logger.info('--balance: the loss is weighted from %s to %s', *ends)
