"""The metric that a run is judged by, and its best value so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from wrn_base.progress_line import is_percent


@dataclass(frozen=True)
class MainMetric:
    """The metric that a run is judged by.

    Attributes:
        key: Its name, such as ``'accuracy/top1'``.
        value: Its latest value.
        best: Its best value so far, also before the run was resumed. None if it is not known
            whether a higher value is better.
    """

    key: str
    value: float
    best: float | None

    @property
    def label(self) -> str:
        """A short name, such as ``'accuracy'``."""
        return label_metric(self.key)


def label_metric(key: str) -> str:
    """Return a short name of a metric.

    Args:
        key: Its name, such as ``'accuracy/top1'``, whose short name is ``'accuracy'``.
    """
    group, _, name = key.rpartition('/')
    if group.endswith('accuracy'):
        return 'accuracy' if name == 'top1' else f'{name} accuracy'
    return name


def find_main_metric(runner: Runner, metrics: Mapping[str, Any]) -> MainMetric | None:
    """Find the metric that a run is judged by.

    It is the one that ``save_best`` of the checkpoint hook names, else the first that is in
    percent, else the first number.

    Args:
        runner: The runner.
        metrics: The metrics of its last validation.

    Returns:
        The metric; None if there is no number among the metrics.
    """
    numbers = {key: float(value) for key, value in metrics.items() if isinstance(value, Real)}
    if not numbers:
        return None
    hook = next((h for h in runner.hooks if isinstance(h, CheckpointHook) and h.save_best), None)
    key, higher = next(filter(is_percent, numbers), next(iter(numbers))), None
    if hook and hook.key_indicators[0] in numbers:
        key, higher = hook.key_indicators[0], hook.rules[0] == 'greater'
    elif is_percent(key):
        higher = True
    best = None
    if higher is not None:  # the history is part of checkpoints
        scalar = runner.message_hub.log_scalars.get(f'val/{key}')
        history = [numbers[key], *(scalar.data[0] if scalar else ())]
        best = float(max(history) if higher else min(history))
    return MainMetric(key, numbers[key], best)
