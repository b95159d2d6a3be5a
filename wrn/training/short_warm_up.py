"""Complete or leave out the warm-ups of short runs, which would hold back the learning rate."""

import logging
from copy import deepcopy
from typing import Any

from mmengine.optim.scheduler.param_scheduler import ConstantParamScheduler
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import Runner

from wrn.config.config_parts import find_class
from wrn.training.stretch_schedule import is_warm_up, list_schedulers
from wrn_base.errors import count

_logger = logging.getLogger('wrn')


def leave_out_short_warm_ups(runner: Runner) -> None:
    """Leave out the warm-ups of a single step.

    mmengine's warm-ups begin with the smallest value, and reach the full one in their last step. In
    one step, they would stay at the smallest value, and all later schedulers would start from that.
    That is the case if an epoch has one step, and the warm-up one epoch. A warm-up that is longer
    than the run is reported, and kept.

    Args:
        runner: The runner, before it trains. Its data are loaded, and its schedulers are changed.
            They keep their number, so that their states in checkpoints stay in order.
    """
    if runner.param_schedulers is None:
        return
    length = len(runner.train_dataloader)
    schedulers = runner.param_schedulers = deepcopy(runner.param_schedulers)
    for scheduler in filter(is_warm_up, list_schedulers(schedulers)):
        end, unit, last = scheduler['end'], 'step', runner.max_iters
        if scheduler.get('by_epoch', True):
            if scheduler.get('convert_to_iter_based'):
                end = int(end * length)  # as mmengine rounds it
            else:
                unit, last = 'epoch', runner.max_epochs
        text = None
        if end <= 1:
            _neutralize(scheduler)
            text = (
                f'the warm-up is left out: it has {count(end, unit)}, too few to reach the full '
                'learning rate'
            )
        elif end > last:
            text = (
                f'the warm-up takes {count(end, unit)}, but the run has {last}, so it does not '
                'reach the full learning rate; set its end with --cfg-options param_scheduler'
            )
        if text:
            for log in (runner.logger, _logger):  # the file, and the screen
                log.info(text)


def _neutralize(scheduler: dict[str, Any]) -> None:
    """Let a warm-up keep its last value from its only step on."""
    kind: Any = find_class(PARAM_SCHEDULERS, scheduler['type'])
    if issubclass(kind, ConstantParamScheduler):
        scheduler['factor'] = 1.0
    else:
        scheduler['start_factor'] = scheduler.get('end_factor', 1.0)
    scheduler.pop('convert_to_iter_based', None)
    scheduler.update(by_epoch=False, begin=0, end=1)
