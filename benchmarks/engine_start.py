"""Time and memory from the start of a process to its first prediction.

::

    python benchmarks/engine_start.py --runs 3
    python benchmarks/engine_start.py --model digits --only 'ours, *'
    python benchmarks/engine_start.py --only predict --runs 9    # the second part only

First, the networks of engines.py take turns, each in a new process. The process imports what it
needs, builds its network from the same files of weights (exported, converted, quantized with 20
images and compiled, without caches), and computes one image. Another process of each computes
larger batches.
``peak`` is the peak memory in MiB for a batch size, from ``/proc`` (Linux only).

Second, ``wrn predict`` and mmpretrain's ``ImageClassificationInferencer`` classify one image file
of 500x375 pixels, as whole processes. ``ratio`` is the median ratio of our time to theirs.
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

from candidates import candidates
from machine import describe_machine, versions
from predict_jobs import Job, run
from scaling import Values, print_table, take_turns
from tasks import MODELS, Task, write_files

LARGER = (8, 32)  # batch sizes for which memory is measured
PROCESS = """
import time
start = time.perf_counter()
import json, sys, warnings
from pathlib import Path
warnings.simplefilter('ignore')
name, model, folder, batch_size = sys.argv[1:]
from candidates import candidates
from tasks import Task
task = Task(model, Path(folder), int(batch_size))
(candidate,) = candidates(model, [name])
candidate.build(task)(task.inputs())
seconds = time.perf_counter() - start
from cifar import memory
print(json.dumps(dict(seconds=seconds, peak=memory('VmHWM') / 2**20)))
"""


def start(name: str, task: Task, failures: dict[str, str]) -> Values:
    """Build a network in a new process, without the caches of compilers."""
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, 'TORCHINDUCTOR_CACHE_DIR': cache}
        command = [sys.executable, '-c', PROCESS, name, task.model, str(task.folder)]
        command.append(str(task.batch_size))
        folder = Path(__file__).parent
        result = subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder)
    if result.returncode:  # not installed, or not for this processor
        failures[name] = result.stderr.strip().splitlines()[-1]
        return {}
    return json.loads(result.stdout.splitlines()[-1])


def compare_starts(
    task: Task, names: list[str], runs: int, failures: dict[str, str]
) -> dict[str, list[Values]]:
    """Start all in turn for single images, and once more for each larger batch size."""
    cases = {name: partial(start, name, task, failures) for name in names}
    rows = take_turns(runs, cases, 'Starting')
    rows = {name: values for name, values in rows.items() if name not in failures}
    for size in LARGER:
        larger = task._replace(batch_size=size)
        cases = {name: partial(start, name, larger, failures) for name in rows}
        for name, (result,) in take_turns(1, cases, f'Batches of {size}').items():
            for values in rows[name]:
                values[f'peak {size}'] = result.get('peak', math.nan)
    return rows


def compare_predict(task: Task, runs: int) -> dict[str, list[Values]]:
    """Let ``wrn predict`` and mmpretrain alternate on one image."""
    job = Job(task, min(task.calibration.iterdir()))
    cases = {'wrn predict': partial(run, job, ()), 'mmpretrain': partial(run, job, None)}
    rows = take_turns(runs, cases, 'Predicting')
    for values in rows.values():
        for value, theirs in zip(values, rows['mmpretrain'], strict=True):
            value['ratio'] = value['seconds'] / theirs['seconds']
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--model', choices=MODELS, default='wide-resnet50')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument(
        '--only', nargs='+', default=['*'], metavar='NAME', help='names or patterns'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all results here')
    args = parser.parse_args()
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        task = Task(args.model, Path(folder), 1)
        write_files(task)
        names = [candidate.name for candidate in candidates(args.model, args.only)]
        rows = compare_starts(task, names, args.runs, failures)
        pair = compare_predict(task, args.runs)
    columns = dict.fromkeys(['seconds', 'peak', *(f'peak {size}' for size in LARGER)], 0)
    if rows:
        print_table(f'{args.model}, medians of {args.runs}', rows, columns | dict(seconds=2))
    for name, reason in failures.items():
        print(f'left out: {name} ({reason})')
    columns = dict(seconds=2, ratio=3, peak=0)
    print_table(f'one image, whole processes, medians of {args.runs}', pair, columns)
    if args.json:
        facts = dict(model=args.model, machine=describe_machine(), versions=versions())
        args.json.write_text(json.dumps(dict(**facts, start=rows, predict=pair), indent=2) + '\n')


if __name__ == '__main__':
    main()
