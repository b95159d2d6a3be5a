"""Compare the settings of a run that is resumed with those in its checkpoint."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config

from wrn.config.config_file import get_config_text, parse_config
from wrn_base.errors import WrnError

FROZEN = 'model.backbone.frozen_stages'
# Settings that mmengine would restore from the checkpoint, so that a change had no effect.
_SECTIONS = ('optim_wrapper', 'param_scheduler', 'auto_scale_lr')
_NUMBERS = ('train_cfg.max_epochs', 'train_cfg.max_iters', 'train_dataloader.batch_size')
# How a step is computed. These have an effect as they are.
_KERNELS = ('.fused', '.foreach', 'wrapper.type', '.loss_scale', '.dtype', '.use_fp16')


def find_changes(meta: Mapping[str, Any], cfg: Config) -> dict[str, tuple[Any, Any]] | None:
    """Find the settings that a resumed run changes: optimizer, schedule and frozen stages.

    Args:
        meta: The ``meta`` of the checkpoint, with the config of its run as text.
        cfg: The config of the resumed run.

    Returns:
        The old and the new value of each setting by its key, None for a missing one. None if a
        config is missing or contains more than plain values.
    """
    if (text := get_config_text(meta)) is None:
        return None
    try:
        before, after = (dict(_list_settings(part)) for part in (text, cfg.pretty_text))
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    keys = [*before, *(key for key in after if key not in before)]
    values = {key: (before.get(key), after.get(key)) for key in keys}
    return {key: pair for key, pair in values.items() if pair[0] != pair[1]}


def refuse_change(key: str, old: Any, new: Any, path: Any) -> WrnError:
    """Return the error for a setting that cannot change when a run is resumed.

    Args:
        key: The key or option of the setting.
        old: Its value in the checkpoint.
        new: Its value in the resumed run.
        path: The path of the checkpoint.
    """
    return WrnError(
        f'{key}={new}: {path} was trained with {old}, and cannot be resumed with another value; '
        'leave it, or start a new run in another --work-dir'
    )


def _list_settings(text: str) -> Iterator[tuple[str, Any]]:
    config = parse_config(text).to_dict()
    scheduler = config.get('param_scheduler')
    config['param_scheduler'] = [scheduler] if isinstance(scheduler, dict) else scheduler
    if not (config.get('auto_scale_lr') or {}).get('enable'):
        config['auto_scale_lr'] = None
    for section in _SECTIONS:
        for key, value in _flatten(config.get(section), section):
            if not key.endswith(_KERNELS) and value is not None:
                yield key, value
    for key in _NUMBERS:
        section, _, name = key.partition('.')
        if (value := (config.get(section) or {}).get(name)) is not None:
            yield key, value
    yield FROZEN, ((config.get('model') or {}).get('backbone') or {}).get('frozen_stages', -1)


def _flatten(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict | list | tuple):
        yield key, value
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in items:
        yield from _flatten(inner, f'{key}.{name}')
