"""Make charts of the log of a training run."""

import math
from collections.abc import Sequence
from typing import Any

from wrn.training.evaluation.curves import count_steps
from wrn.training.evaluation.line_chart import Chart, Curves, Line
from wrn.training.hooks.progress_log import EPOCH_LOSS
from wrn.training.main_metric import label_metric
from wrn_base.errors import count
from wrn_base.progress_line import is_percent

_ACCURACY = 'accuracy/top1'
_RUNNING = 'loss (running mean)'
_LOSS = '/nll'  # the end of the name of a validation's loss


def make_curves(name: str, lines: Sequence[dict[str, Any]], tested: int | None = None) -> Curves:
    """Make charts of loss, accuracy and learning rate over the epochs.

    The loss of training is the mean of each epoch, as the command prints it. A log that has none,
    such as that of an unfinished epoch or of mmengine's log processor, has a running mean of the
    last steps instead, and the title of the chart says so.

    A run without validation has no chart of the accuracy. Instead of the top-1 accuracy, the chart
    has the first metric in percent if that is all that was logged.

    Args:
        name: The name of the run.
        lines: The lines of its log, from :func:`wrn.training.evaluation.curves.read_log`.
        tested: The epoch whose weights were tested, which is marked. Defaults to None, which marks
            the best epoch of the validation, the last of several equal ones.

    Returns:
        The charts. Their lines are ``'training'`` and ``'validation'``.
    """
    training = [line for line in lines if 'loss' in line]
    steps = count_steps(training)
    epochs = [line['iter'] / steps for line in training]
    metric = _find_metric(lines)
    chosen, label = tested, 'tested'
    if tested is None and metric:
        chosen, label = _find_best_epoch(lines, metric), 'best'
    mark: dict[str, Any] = dict(chosen=chosen, chosen_label=f'{label}: epoch {chosen}')
    losses, title = [_collect_losses(training)], 'loss'
    if not losses[0].x:
        losses, title = [Line('training', epochs, [line['loss'] for line in training])], _RUNNING
    losses += [_collect(lines, key) for line in lines for key in line if key.endswith(_LOSS)][:1]
    charts = [Chart(title, 'epoch', losses, log_y=True, **mark)]
    if metric:
        title = f'{label_metric(metric)} (%)'
        charts.append(Chart(title, 'epoch', [_collect(lines, metric)], **mark))
    rates = [line.get('base_lr', line['lr']) for line in training]
    rate = Line('training', epochs, rates)
    charts.append(Chart('learning rate', 'epoch', [rate], log_y=True, **mark))
    length = count(math.ceil(max(epochs)), 'epoch')
    return Curves(name, 'Training', length, charts)


def _collect_losses(training: Sequence[dict[str, Any]]) -> Line:
    """Return the mean loss of each finished epoch."""
    found = [line for line in training if isinstance(line.get(EPOCH_LOSS), int | float)]
    return Line('training', [line['epoch'] for line in found], [line[EPOCH_LOSS] for line in found])


def _has(line: dict[str, Any], name: str) -> bool:
    """Return whether a line of validation has a metric."""
    values = (line.get(name), line.get('step'))
    return 'loss' not in line and all(isinstance(value, int | float) for value in values)


def _find_metric(lines: Sequence[dict[str, Any]]) -> str | None:
    names = [name for line in lines for name in line if _has(line, name) and is_percent(name)]
    return _ACCURACY if _ACCURACY in names else next(iter(names), None)


def _collect(lines: Sequence[dict[str, Any]], metric: str) -> Line:
    """Return a metric of the validation by epoch."""
    found = [line for line in lines if _has(line, metric)]
    return Line('validation', [line['step'] for line in found], [line[metric] for line in found])


def _find_best_epoch(lines: Sequence[dict[str, Any]], metric: str) -> int:
    """Return the epoch with the highest value of a metric, the last of several equal ones."""
    return max((line[metric], line['step']) for line in lines if _has(line, metric))[1]
