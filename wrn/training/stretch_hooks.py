"""Move what hooks do at an epoch when the number of epochs changes."""

from collections.abc import Callable
from typing import Any

from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmpretrain.engine.hooks import SwitchRecipeHook
from mmpretrain.registry import HOOKS

from wrn.config.config_parts import find_class

_EMA_MOMENTUM = 0.0002  # mmengine's default
_LARGEST_MOMENTUM = 0.5  # mmengine warns of larger ones


def stretch_hooks(cfg: Config, move: Callable[[int], float], ratio: float) -> list[str]:
    """Move the epochs at which hooks act.

    These are the switch of a recipe, such as the end of mixup, the begin of averaged weights
    (EMA), and other arguments of custom hooks with ``epoch`` in their names. The momentum of an EMA
    is divided by the ratio, as in torchvision's recipes, so that it averages over the same share
    of the run.

    Args:
        cfg: The config, which is changed.
        move: Returns the new position of an epoch.
        ratio: The new length of the run as a multiple of the old one.

    Returns:
        A clause about each change.
    """
    notes = []
    for hook in cfg.get('custom_hooks') or ():
        kind = find_class(HOOKS, hook.get('type'))
        if kind is SwitchRecipeHook:
            hook['schedule'] = _move_recipes(hook['schedule'], move)
            notes.append(f'SwitchRecipeHook acts at epoch {_list_epochs(hook["schedule"])}')
        if isinstance(kind, type) and issubclass(kind, EMAHook):
            notes += _stretch_ema(hook, ratio)
        for key, value in hook.items():
            if 'epoch' in key and type(value) is int and value > 0:
                hook[key] = move(value)
                notes.append(f'{getattr(kind, "__name__", kind)}.{key} is {hook[key]}')
    checkpoint = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if checkpoint.get('save_begin') and checkpoint.get('by_epoch', True):
        checkpoint['save_begin'] = move(checkpoint['save_begin'])
    return notes


def _move_recipes(
    schedule: list[dict[str, Any]], move: Callable[[int], float]
) -> list[dict[str, Any]]:
    """Move the first epoch of each recipe. Those of one epoch are merged, the last on top."""
    moved: dict[int, dict[str, Any]] = {}
    for recipe in sorted(schedule, key=lambda recipe: recipe['action_epoch']):
        # The hook counts epochs from 1.
        epoch = int(move(recipe['action_epoch'] - 1)) + 1
        moved[epoch] = {**moved.get(epoch, {}), **recipe, 'action_epoch': epoch}
    return [*moved.values()]


def _list_epochs(schedule: list[dict[str, Any]]) -> str:
    return ', '.join(str(recipe['action_epoch']) for recipe in schedule)


def _stretch_ema(hook: dict[str, Any], ratio: float) -> list[str]:
    if hook.get('ema_type', 'ExponentialMovingAverage') != 'ExponentialMovingAverage':
        return []
    before = hook.get('momentum', _EMA_MOMENTUM)
    hook['momentum'] = min(before / ratio, max(before, _LARGEST_MOMENTUM))
    if hook.get('begin_iter'):
        hook['begin_iter'] = round(hook['begin_iter'] * ratio)
    return [f'the momentum of the EMA from {before:g} to {hook["momentum"]:g}']
