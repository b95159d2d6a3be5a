"""The cost of logging a step and of a checkpoint in a long run, by ``wrn train`` and mmengine.

::

    python benchmarks/long_runs.py --rounds 5

``step`` is the time to log the five scalars of a step on a GPU (loss, learning rate, two times and
memory) after a number of steps: mmengine keeps a million of each, ``wrn train`` fewer. ``write`` is
the time to write a checkpoint of wide-resnet50 with SGD's momentum and these scalars. Under its
final name the file of ``wrn train`` is on the disk; mmengine's may not be. ``read`` is the time in
which ``--resume`` reads it and verifies its checksums.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from mmengine.logging import HistoryBuffer, MessageHub, MMLogger
from mmengine.runner import save_checkpoint
from rich.console import Console
from rich.progress import track
from rich.table import Table

import wrn
from wrn.training.hooks.progress_log import HistoryHook
from wrn.training.hooks.safe_checkpoints import SAFE_BACKEND
from wrn.training.resume import read_whole

SCALARS = ('loss', 'lr', 'time', 'data_time', 'memory')
STEPS = (0, 50_000, 500_000)  # 100 epochs of ImageNet on eight GPUs are 500,500
LOGGED = 20  # steps to measure


def make_checkpoint() -> dict[str, Any]:
    """Return a checkpoint after a step of SGD."""
    model = wrn.get_model('wide-resnet50')
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return dict(meta={}, state_dict=model.state_dict(), optimizer=optimizer.state_dict())


def measure(checkpoint: dict[str, Any], steps: int, ours: bool) -> dict[str, float]:
    """Log some steps after earlier ones, then write and read a checkpoint."""
    hub = MessageHub(f'{steps} {ours}')
    for name in SCALARS:
        hub.log_scalars[name] = HistoryBuffer([0.5] * steps, [1] * steps)
    hook, runner = HistoryHook(), SimpleNamespace(message_hub=hub)

    def log_step() -> None:
        for name in SCALARS:
            hub.update_scalar(name, 0.5)
        if ours:
            hook.after_train_iter(runner)

    log_step()
    log_step()  # the history is shortened at the first step
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, 'epoch_1.pth'))
        times = [time.perf_counter()]
        for _ in range(LOGGED):
            log_step()
        times.append(time.perf_counter())
        content = dict(checkpoint, message_hub=hub.state_dict())
        save_checkpoint(content, path, backend_args=SAFE_BACKEND if ours else None)
        times.append(time.perf_counter())
        read_whole(path)
        times.append(time.perf_counter())
        size = Path(path).stat().st_size / 1e6
    step, write, read = (b - a for a, b in pairwise(times))
    return {'step, ms': 1000 * step / LOGGED, 'write, s': write, 'read, s': read, 'MB': size}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--rounds', type=int, default=5)
    rounds = parser.parse_args().rounds
    MMLogger.get_instance('benchmark', log_level='ERROR')  # mmengine warns about its own calls
    checkpoint = make_checkpoint()
    results: dict[str, list[dict[str, float]]] = defaultdict(list)
    for _ in track(range(rounds), 'Writing', console=Console(stderr=True), transient=True):
        for steps in STEPS:
            for name, ours in (('wrn', True), ('mmengine', False)):
                results[f'{steps:,} steps, {name}'].append(measure(checkpoint, steps, ours))
    columns = {'step, ms': 3, 'write, s': 2, 'read, s': 2, 'MB': 0}
    table = Table(title=f'medians of {rounds}', box=None)
    for column in ('', *columns):
        table.add_column(column, justify='right' if column else 'left', no_wrap=True)
    for name, values in results.items():
        medians = {column: statistics.median(v[column] for v in values) for column in columns}
        table.add_row(name, *(f'{medians[column]:.{columns[column]}f}' for column in columns))
    Console(width=100).print(table)


if __name__ == '__main__':
    main()
