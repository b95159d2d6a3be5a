"""Apply the options that everybody knows: epochs, learning rate, batch size, device and so on."""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from mmengine.config import Config

from wrn.config.config_parts import set_default
from wrn.training.batch_and_rate import (
    scale_by_batch_size,
    set_batch_size,
    set_learning_rate,
    set_workers,
)
from wrn.training.patience import set_patience
from wrn.training.run_device import set_device
from wrn.training.stretch_schedule import stretch_schedule
from wrn_base.errors import WrnError, check_whole

_MINIMUMS = dict(epochs=1, batch_size=1, workers=0, patience=1, seed=0)
_LARGEST_SEED = 2**32 - 1  # numpy's


def check_ranges(options: Mapping[str, Any]) -> None:
    """Check that numbers are not too small or too large.

    Args:
        options: The options of a run.

    Raises:
        WrnError: If one is.
    """
    for name, minimum in _MINIMUMS.items():
        check_whole(f'--{name.replace("_", "-")}', options.get(name), minimum)
    seed = options.get('seed')
    if seed is not None and seed > _LARGEST_SEED:
        raise WrnError(f'--seed {seed}: must be at most {_LARGEST_SEED}')
    rate = options.get('lr')
    is_number = isinstance(rate, Real) and math.isfinite(rate)
    if rate is not None and not (is_number and float(rate) > 0):
        given = f'{rate:g}' if isinstance(rate, float) else repr(rate)
        raise WrnError(f'--lr {given}: must be a number above 0')
    if rate is not None and options.get('auto_scale_lr'):
        raise WrnError(f'--lr {rate:g}: is never scaled; leave out --auto-scale-lr, or --lr')


def apply_device_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Apply the device and the number of data workers to a config.

    Args:
        cfg: The config, with its ``launcher``. It is changed.
        options: The options of a run.

    Raises:
        WrnError: If there is no such device.
    """
    if (device := options.get('device')) is not None:
        set_device(cfg, device)
    if (workers := options.get('workers')) is not None:
        set_workers(cfg, workers)


def apply_schedule_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Apply the options of training that concern epochs, learning rate, stopping and the seed.

    Args:
        cfg: The config, without validation if the run has none. It is changed.
        options: The options of a run.

    Raises:
        WrnError: If an option cannot be applied.
    """
    epochs, size, rate, patience, seed = (
        options.get(name) for name in ('epochs', 'batch_size', 'lr', 'patience', 'seed')
    )
    if epochs is not None:
        stretch_schedule(cfg, epochs, options.get('cfg_options') or {})
    if size is not None:
        set_batch_size(cfg, size, scaled=rate is None)
    elif options.get('auto_scale_lr'):
        scale_by_batch_size(cfg)
    if rate is not None:
        set_learning_rate(cfg, rate)
    if patience is not None:
        set_patience(cfg, patience)
    if seed is not None:
        set_default(cfg, 'randomness', {}).seed = seed
