"""From the start of a process to its first prediction, and what memory that takes.

::

    python benchmarks/engine_start.py --runs 3
    python benchmarks/engine_start.py --model digits --only 'ours, *'
    python benchmarks/engine_start.py --only predict --runs 9    # no engine, the second part alone

First, all who take part in engines.py, in turn, each in a new process: it imports what it needs,
builds its network from the same files of weights (engines are exported, converted, quantised with
20 pictures and compiled, with no cache of earlier ones), and computes a batch of one picture; then
a process of each for larger batches. ``peak`` is the most MiB that a process held for a size of
batches, read from ``/proc``, which Linux has.

Then one picture of 500x375, in a file, by ``wrn predict`` and by mmpretrain's
``ImageClassificationInferencer``, from the start of the process to its end; ``ratio`` is ours to
theirs, the median of the pairs.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from contestants import contestants
from machine import describe_machine, versions
from predict_jobs import Job, run
from scaling import Values, print_table, take_turns
from tasks import MODELS, Task, write_files

LARGER = (8, 32)  # batches, of which memory is measured
PROCESS = """
import time
start = time.perf_counter()
import json, sys, warnings
from pathlib import Path
warnings.simplefilter('ignore')
name, model, folder, batch_size = sys.argv[1:]
from contestants import contestants
from tasks import Task
task = Task(model, Path(folder), int(batch_size))
(contestant,) = contestants(model, [name])
contestant.build(task)(task.inputs())
seconds = time.perf_counter() - start
from cifar import memory
print(json.dumps(dict(seconds=seconds, peak=memory('VmHWM') / 2**20)))
"""


def start(name: str, task: Task, failures: dict[str, str]) -> Values:
    """Build one in a new process, without what compilers have kept of earlier ones."""
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, 'TORCHINDUCTOR_CACHE_DIR': cache}
        command = [sys.executable, '-c', PROCESS, name, task.model, str(task.folder)]
        command.append(str(task.batch_size))
        folder = Path(__file__).parent
        result = subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder)
    if result.returncode:  # it is not installed, or not for this processor
        failures[name] = result.stderr.strip().splitlines()[-1]
        return {}
    return json.loads(result.stdout.splitlines()[-1])


def compare_starts(
    task: Task, names: list[str], runs: int, failures: dict[str, str]
) -> dict[str, list[Values]]:
    """Let all start in turn for single pictures, and once more for batches of each larger size."""
    ways = {name: partial(start, name, task, failures) for name in names}
    rows = take_turns(runs, ways, 'Starting')
    rows = {name: values for name, values in rows.items() if name not in failures}
    for size in LARGER:
        larger = task._replace(batch_size=size)
        ways = {name: partial(start, name, larger, failures) for name in rows}
        for name, (result,) in take_turns(1, ways, f'Batches of {size}').items():
            for values in rows[name]:
                values[f'peak {size}'] = result.get('peak', math.nan)
    return rows


def compare_predict(task: Task, runs: int) -> dict[str, list[Values]]:
    """Let ``wrn predict`` and mmpretrain take turns on a picture."""
    job = Job(task, min(task.calibration.iterdir()))
    ways = {'wrn predict': partial(run, job, ()), 'mmpretrain': partial(run, job, None)}
    rows = take_turns(runs, ways, 'Predicting')
    for values in rows.values():
        for value, theirs in zip(values, rows['mmpretrain'], strict=True):
            value['ratio'] = value['seconds'] / theirs['seconds']
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--model', choices=MODELS, default='wide-resnet50')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--only', nargs='+', default=['*'], metavar='NAME', help='names, * for any')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures here')
    args = parser.parse_args()
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        task = Task(args.model, Path(folder), 1)
        write_files(task)
        names = [one.name for one in contestants(args.model, args.only)]
        rows = compare_starts(task, names, args.runs, failures)
        pair = compare_predict(task, args.runs)
    columns = dict.fromkeys(['seconds', 'peak', *(f'peak {size}' for size in LARGER)], 0)
    if rows:
        print_table(f'{args.model}, medians of {args.runs}', rows, columns | dict(seconds=2))
    for name, reason in failures.items():
        print(f'left out: {name} ({reason})')
    columns = dict(seconds=2, ratio=3, peak=0)
    print_table(f'one picture, whole processes, medians of {args.runs}', pair, columns)
    if args.json:
        facts = dict(model=args.model, machine=describe_machine(), versions=versions())
        args.json.write_text(json.dumps(dict(**facts, start=rows, predict=pair), indent=2) + '\n')


if __name__ == '__main__':
    main()
