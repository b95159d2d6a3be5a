"""Print what a run leaves, and the command to type next."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from wrn.report.write_report import PAGE
from wrn.training import Trained
from wrn_base.progress_line import format_metric
from wrn_base.tables import print_table
from wrn_base.terminal import short_path, show, show_command


def print_trained(done: Trained, config: str | Path) -> None:
    """Print the checkpoint of a training run, the best value if that was not kept, and a command.

    The command tests the checkpoint.

    Args:
        done: What the run has left.
        config: The config to test with.
    """
    path = done.best or done.last
    if path is None:
        show('no checkpoint was written')
        return
    measured = ''
    if metric := done.metric:
        value = metric.best if done.best and metric.best is not None else metric.value
        measured = f' ({metric.label} {format_metric(metric.key, value, done.images)})'
    words = [short_path(config), short_path(path)]
    show(f'{"best" if done.best else "last"} checkpoint: {words[1]}{measured}')
    if metric and not done.best and metric.best not in (None, metric.value):
        best = format_metric(metric.key, metric.best, done.images)
        keeps = f'--cfg-options default_hooks.checkpoint.save_best={metric.key}'
        show(f'the best, {best}, was not kept; {keeps} keeps it')
    show_command(f'test it with: wrn test {shlex.join(words)}')


def name_report(folder: str | Path) -> str:
    """Return the page of a report, or its folder if it has none."""
    page = Path(folder, PAGE)
    return short_path(page if page.is_file() else folder)


def print_metrics(metrics: Mapping[str, float | list[float]]) -> None:
    """Print the metrics of a test without a report.

    Args:
        metrics: The metrics by name.
    """
    rows = []
    for name, value in metrics.items():
        if isinstance(value, list):
            rows.append((name, ' '.join(f'{number:.4g}' for number in value)))
        else:
            rows.append((name, format_metric(name, value, 0)))
    print_table(rows)
