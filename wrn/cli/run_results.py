"""Print what a run leaves, and the command to type next."""

import shlex
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from wrn.training import TrainResult
from wrn_base.progress_line import format_metric
from wrn_base.tables import print_table
from wrn_base.terminal import short_path, show


def print_train_result(result: TrainResult, config: str | Path) -> None:
    """Print the checkpoint of a training run, and the command that tests it.

    Args:
        result: What the run has left.
        config: The config to test with.
    """
    if result.checkpoint is None:
        show('no checkpoint was written')
        return
    measured, path = '', short_path(result.checkpoint)
    if metric := result.metric:
        best = metric.best if result.is_best else None
        value = metric.value if best is None else best
        measured = f' ({metric.label} {format_metric(metric.key, value, result.images)})'
    name = 'best' if result.is_best else 'last'
    show(f'{name} checkpoint: {path}{measured}')
    show(f'test it with: wrn test {shlex.join([short_path(config), path])}')


def print_metrics(metrics: Mapping[str, Any]) -> None:
    """Print the metrics of a test that are numbers or lists of numbers.

    Args:
        metrics: The metrics by name.
    """
    rows = []
    for name, value in metrics.items():
        if isinstance(value, Real):
            rows.append((name, f'{value:.4f}'))
        elif isinstance(value, list):
            rows.append((name, ' '.join(f'{number:.4g}' for number in value)))
    print_table(rows)
