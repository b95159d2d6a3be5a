"""Make the config of a fine-tuning run one that trains the head alone."""

from mmengine.config import Config, ConfigDict
from mmpretrain.models import CrossEntropyLoss
from mmpretrain.registry import MODELS

from wrn.config.config_parts import find_class, get_inner_dataset
from wrn.data.checked_reading import CheckedReading
from wrn_base.errors import WrnError

_LOSS = {'type', 'loss_weight', 'class_weight'}


def use_head_only(cfg: Config, views: int = 1) -> None:
    """Check that the head of a config can be trained alone, and mark the config.

    Args:
        cfg: A config made by :func:`wrn.training.make_finetune_config`, with the options applied.
            It is marked by ``head_only=dict(views=...)``, so that runs that are resumed can be
            compared.
        views: The number of views of each training image: the one of a test, and random ones of the
            config's training pipeline. Defaults to 1.

    Raises:
        WrnError: If the loss is not cross-entropy, or all views would be equal.
    """
    loss = cfg.model.head.loss
    if find_class(MODELS, loss.get('type')) is not CrossEntropyLoss or loss.keys() - _LOSS:
        raise WrnError(
            f'model.head.loss={dict(loss)}: --head-only minimizes the cross-entropy, with class '
            'weights at most; leave it as it is'
        )
    pipelines = [
        [_unwrap(step) for step in get_inner_dataset(cfg, f'{name}_dataloader').pipeline]
        for name in ('train', 'test')
    ]
    if views > 1 and pipelines[0] == pipelines[1]:
        raise WrnError(
            f'--views {views}: the model has no random steps for training, so all views would be '
            'equal; leave it out, or give the config of the weights with --model and the weights '
            'with --checkpoint'
        )
    cfg.head_only = ConfigDict(views=views)


def _unwrap(step: ConfigDict) -> ConfigDict:
    """Return the step that ``--skip-unreadable`` has wrapped; any other step unchanged."""
    is_wrapped = step.get('type') in ('CheckedReading', CheckedReading)
    return step['transform'] if is_wrapped else step
