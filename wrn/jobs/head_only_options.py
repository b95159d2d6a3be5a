"""Check the options of fine-tuning against ``--head-only``."""

from collections.abc import Mapping
from typing import Any

from wrn.jobs.speed_options import TrainingSpeedOptions
from wrn_base.errors import WrnError

# Options of the schedule, the optimizer and its loop, and of layers that are not trained.
_WITHOUT_EFFECT = (
    'epochs', 'lr', 'batch_size', 'patience', 'amp', 'auto_scale_lr', 'tensorboard', 'wandb',
    'no_pin_memory', 'no_persistent_workers', *TrainingSpeedOptions.__annotations__,
)  # fmt: skip
_SETTINGS = (
    'model', 'data_preprocessor', 'train_dataloader.dataset', 'test_dataloader', 'test_evaluator',
    'randomness.seed', 'load_from', 'work_dir',
)  # fmt: skip


def check_head_only(head_only: bool, views: int, options: Mapping[str, Any]) -> None:
    """Check that the options of fine-tuning have an effect.

    Args:
        head_only: Whether only the head is trained.
        views: The number of views of each training image.
        options: All other options, by name.

    Raises:
        WrnError: If one has none.
    """
    if views < 1:
        raise WrnError(f'--views {views}: must be at least 1')
    if not head_only:
        if views > 1:
            raise WrnError(f'--views {views}: is only for --head-only; add that, or leave it out')
        return
    speed = TrainingSpeedOptions.__annotations__
    for name in _WITHOUT_EFFECT:
        value = options.get(name)
        if value is not None and (value is not False or name in speed):
            _reject(_format(name, value), 'has no effect with --head-only')
    if options.get('freeze', -1) != -1:
        _reject(f'--freeze {options["freeze"]}', '--head-only freezes all layers before the head')
    if options.get('no_validate'):
        _reject('--no-validate', '--head-only selects its regularization in validation')
    if (launcher := options.get('launcher') or 'none') != 'none':
        _reject(f'--launcher {launcher}', '--head-only runs in one process')
    if (resume := options.get('resume')) not in (None, False, True, 'auto'):
        _reject(f'--resume {resume}', '--head-only has no checkpoints; the same command resumes it')
    for key in options.get('cfg_options') or {}:
        if not any(f'{key}.'.startswith(f'{known}.') for known in _SETTINGS):
            _reject(f'--cfg-options {key}', 'has no effect with --head-only')


def _format(name: str, value: Any) -> str:
    option = f'--{name.replace("_", "-")}'
    if isinstance(value, bool):
        return option if value else option.replace('--', '--no-')
    return f'{option} {value}'


def _reject(option: str, reason: str) -> None:
    raise WrnError(f'{option}: {reason}; leave out one of the two options')
