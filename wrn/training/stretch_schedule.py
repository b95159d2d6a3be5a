"""Change the number of epochs of a config, with all parts of its schedule in proportion."""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmengine.optim.scheduler.param_scheduler import (
    INF,
    ConstantParamScheduler,
    ExponentialParamScheduler,
    LinearParamScheduler,
    StepParamScheduler,
)
from mmengine.registry import PARAM_SCHEDULERS

from wrn.config.config_parts import find_class
from wrn.training.stretch_hooks import stretch_hooks
from wrn_base.errors import WrnError, count

_LENGTHS = ('T_max', 'total_steps', 'milestones')  # counted from a scheduler's begin
_logger = logging.getLogger('wrn')


@dataclass(frozen=True)
class Timeline:
    """A map from positions in a run to those in a longer or shorter one.

    The warm-up keeps its length, but takes at most half of the run. The rest is scaled.

    Attributes:
        warm_up: The length of the warm-up, in epochs or iterations.
        before: The length of the run.
        after: The new length of the run.
    """

    warm_up: float
    before: float
    after: float

    @property
    def new_warm_up(self) -> float:
        """The new length of the warm-up."""
        return self.warm_up if self.warm_up <= self.after / 2 else self.after // 2

    def map(self, position: float) -> float:
        """Return the new position; a whole number for a whole number."""
        if position <= self.warm_up:
            new = position * self.new_warm_up / self.warm_up if self.warm_up else position
        else:
            slope = (self.after - self.new_warm_up) / (self.before - self.warm_up)
            new = self.new_warm_up + (position - self.warm_up) * slope
        return round(new) if isinstance(position, int) else new


def stretch_schedule(cfg: Config, epochs: int, stated: Collection[str] = ()) -> None:
    """Set the number of epochs, and scale the schedule as the author of the config would.

    The schedulers of learning rate, momentum and weight decay keep their shape, whether they count
    epochs or iterations. A warm-up keeps its length, but takes at most half of the run. Hooks that
    act at an epoch act at the same share of the run. The intervals of validation and checkpoints
    get shorter with the run, but not longer.

    Args:
        cfg: The config, which is changed. A sentence about the changes is logged.
        epochs: The new number of epochs.
        stated: The keys of settings by the user. An interval among them stays. Defaults to none.

    Raises:
        WrnError: If the config trains by iterations.
    """
    loop: Any = cfg.get('train_cfg') or {}
    before = loop.get('max_epochs')
    if before is None:
        what = f'max_iters={loop.max_iters}' if 'max_iters' in loop else 'no max_epochs'
        raise WrnError(
            f'--epochs {epochs}: {cfg.filename} does not train by epochs (train_cfg has {what}); '
            'set its length with --cfg-options train_cfg.max_iters=N'
        )
    if epochs == before:
        return
    ratio = epochs / before
    schedulers = [*list_schedulers(cfg.get('param_scheduler'))]
    timeline = Timeline(_find_warm_up(schedulers, True, before), before, epochs)
    length = max([_get_end(s) for s in schedulers if _counts(s, False)], default=0)
    steps = Timeline(_find_warm_up(schedulers, False, length), length, round(length * ratio))
    for scheduler in schedulers:
        _stretch(scheduler, timeline if scheduler.get('by_epoch', True) else steps)
    if schedulers:
        cfg.param_scheduler = _drop_empty(cfg.param_scheduler)
    loop.max_epochs = epochs
    if 'val_begin' in loop:  # counted from 1
        loop.val_begin = min(timeline.map(loop.val_begin - 1) + 1, epochs)
    if intervals := loop.get('dynamic_intervals'):
        loop.dynamic_intervals = [
            (max(timeline.map(at), 1), _shorten(every, ratio)) for at, every in intervals
        ]
    notes = [f'the schedule of {count(before, "epoch")} is scaled to {epochs}']
    if timeline.new_warm_up != timeline.warm_up:
        notes.append(f'the warm-up from {timeline.warm_up} to {timeline.new_warm_up}')
    notes += _shorten_intervals(cfg, ratio, stated)
    notes += stretch_hooks(cfg, timeline.map, ratio)
    _logger.info('--epochs %d: %s', epochs, ', '.join(notes))


def _shorten_intervals(cfg: Config, ratio: float, stated: Collection[str]) -> list[str]:
    """Shorten the intervals of validation and checkpoints; return a clause about each change."""
    checkpoint = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    notes = []
    for what, owner, path in (
        ('validation', cfg.train_cfg, 'train_cfg.val_interval'),
        ('checkpoint', checkpoint, 'default_hooks.checkpoint.interval'),
    ):
        key = path.rpartition('.')[2]
        interval = owner.get(key, 1)
        if path not in stated and 0 < (shorter := _shorten(interval, ratio)) < interval:
            owner[key] = shorter
            notes.append(f'the {what} interval from {interval} to {shorter}')
    return notes


def _shorten(interval: int, ratio: float) -> int:
    """Return the interval of a run with another length, at least 1.

    A longer run keeps its interval, so that no more work than before is lost when it stops.

    Args:
        interval: The interval, in epochs or iterations.
        ratio: The new length of the run as a multiple of the old one.
    """
    return max(round(interval * min(ratio, 1)), 1)


def list_schedulers(schedulers: Any) -> Iterator[dict[str, Any]]:
    """Yield the configs of schedulers.

    Args:
        schedulers: The config of one, a list of them, or a dict of those by optimizer. None yields
            nothing.
    """
    if isinstance(schedulers, dict):
        if 'type' in schedulers:
            yield schedulers
        else:
            for inner in schedulers.values():
                yield from list_schedulers(inner)
    else:
        for inner in schedulers or ():
            yield from list_schedulers(inner)


def is_warm_up(scheduler: dict[str, Any]) -> bool:
    """Return whether a scheduler starts the run with smaller values.

    Args:
        scheduler: Its config.
    """
    kind = find_class(PARAM_SCHEDULERS, scheduler.get('type'))
    if not isinstance(kind, type) or scheduler.get('begin', 0) or scheduler.get('end', INF) >= INF:
        return False
    if issubclass(kind, LinearParamScheduler):
        return scheduler.get('start_factor', 1 / 3) < scheduler.get('end_factor', 1)
    return issubclass(kind, ConstantParamScheduler) and scheduler.get('factor', 1 / 3) < 1


def _find_warm_up(schedulers: list[dict[str, Any]], by_epoch: bool, length: float) -> Any:
    """Return the length of the warm-up in epochs or iterations; 0 without one."""
    ends = [
        scheduler['end']
        for scheduler in schedulers
        if is_warm_up(scheduler) and scheduler.get('by_epoch', True) == by_epoch
    ]
    return max((end for end in ends if end < length), default=0)


def _counts(scheduler: dict[str, Any], by_epoch: bool) -> bool:
    return scheduler.get('by_epoch', True) == by_epoch and not is_warm_up(scheduler)


def _get_end(scheduler: dict[str, Any]) -> Any:
    """Return the last position that a scheduler mentions."""
    begin, end = scheduler.get('begin', 0), scheduler.get('end', INF)
    lengths = [scheduler.get(key) or 0 for key in _LENGTHS] + [sum(scheduler.get('periods', ()))]
    lengths = [max(length) if isinstance(length, list | tuple) else length for length in lengths]
    return max(begin + max(lengths), 0 if end >= INF else end)


def _stretch(scheduler: dict[str, Any], timeline: Timeline) -> None:
    if not timeline.before:  # a warm-up in iterations, and nothing else that counts these
        return
    begin, ratio = scheduler.get('begin', 0), timeline.after / timeline.before

    def scale(length: Any) -> Any:
        if isinstance(length, list | tuple):
            return [scale(part) for part in length]
        return max(timeline.map(begin + length) - timeline.map(begin), 1)

    for key in _LENGTHS:
        if scheduler.get(key):
            scheduler[key] = scale(scheduler[key])
    if periods := scheduler.get('periods'):
        ends = [scale(sum(periods[: i + 1])) for i in range(len(periods))]
        scheduler['periods'] = [max(b - a, 1) for a, b in zip([0, *ends], ends, strict=False)]
    kind: Any = find_class(PARAM_SCHEDULERS, scheduler.get('type'))
    if isinstance(kind, type) and issubclass(kind, ExponentialParamScheduler):
        scheduler['gamma'] **= 1 / ratio
    if isinstance(kind, type) and issubclass(kind, StepParamScheduler):
        scheduler['step_size'] = max(round(scheduler['step_size'] * ratio), 1)
    for key in ('begin', 'end'):
        if 0 < scheduler.get(key, 0) < INF:
            scheduler[key] = timeline.map(scheduler[key])


def _drop_empty(schedulers: Any) -> Any:
    """Leave out the schedulers that have no epochs left."""
    if isinstance(schedulers, dict):
        if 'type' in schedulers:
            return schedulers if schedulers.get('begin', 0) < schedulers.get('end', INF) else []
        return {name: _drop_empty(inner) for name, inner in schedulers.items()}
    kept = [_drop_empty(scheduler) for scheduler in schedulers or ()]
    return [scheduler for scheduler in kept if scheduler]
