"""Throughput of training by number of processes; its start and memory by number of files.

::

    python benchmarks/scaling.py processes --rounds 5
    python benchmarks/scaling.py files --rounds 3 --images 1000 10000 100000

``processes`` trains WRN-16-2 on the digits, without data workers, and prints images per second.
Ideally, two processes that train together are twice as fast as one. Two independent runs show what
the machine can do; the difference is the cost of communication.

``files`` makes folders of small JPEGs (links to one per class) and trains with them, as class
folders and with an annotation file (``list``), by ``wrn train`` and mmpretrain's ``tools/train.py``
in turn, with two data workers. The seconds count from the start of the process until the ``config``
is read (with most imports), then until the ``runner`` is built (``wrn train`` checks the data
before), until the ``dataset`` is built (torch imports its compiler there, if nothing did before),
and until the first ``batch``. Memory is measured after a hundred batches: ``rss``, ``pss``, which
divides shared memory among processes, and ``own``, which is not shared. The folders are in the
cache, and memory is from ``/proc`` (Linux only). ``sampler`` is the time to the first batch of
indices of an epoch, compared with torch's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import mmpretrain
from mmengine.dataset import DefaultSampler
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.utils.data import BatchSampler

from wrn.training.seeding import SeededBatchSampler

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / 'configs/wrn/wide-resnet16-2_1xb64_digits.py'
TRAIN = ROOT / 'tools/train.py'
UPSTREAM = Path(mmpretrain.__file__).parent / '.mim/tools/train.py'
CLASSES = 1000
CONFIG = """
custom_imports = dict(imports=['probe'])
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict(type='ResNet', depth=18, stem_channels=8, base_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=1000, in_channels=64,
              loss=dict(type='CrossEntropyLoss')),
)
train_dataloader = dict(
    batch_size=8, num_workers=2, pin_memory=False,
    dataset=dict(type='ImageNet', data_root='{folder}', data_prefix='train', ann_file='{ann_file}',
                 pipeline=[dict(type='LoadImageFromFile'), dict(type='PackInputs')]),
    sampler=dict(type='DefaultSampler', shuffle=True),
)
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
env_cfg = dict(mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
custom_hooks = [dict(type='Probe')]
"""
PROBE = """
import json, multiprocessing, os, time
from pathlib import Path
from mmengine.hooks import Hook
from mmpretrain.registry import HOOKS

def memory(pid):
    lines = Path('/proc', str(pid), 'smaps_rollup').read_text().splitlines()[1:]
    size = {key: int(value.split()[0]) / 1024 for key, value in (line.split(':') for line in lines)}
    return dict(rss=size['Rss'], pss=size['Pss'], own=size['Private_Clean'] + size['Private_Dirty'])

@HOOKS.register_module()
class Probe(Hook):
    times = [float(os.environ['START']), time.time()]

    def __init__(self):
        self.times.append(time.time())

    def before_run(self, runner):
        self.times.append(time.time())

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx == 0:
            self.times.append(time.time())
        if batch_idx == 100:
            a, b, c, d, e = self.times
            result = {'config': b - a, 'runner': c - b, 'dataset': d - c, 'batch': e - d}
            (peak,) = (s for s in open('/proc/self/status') if s.startswith('VmHWM'))
            result |= {'total': e - a, 'peak': int(peak.split()[1]) / 1024, **memory('self')}
            workers = [memory(child.pid) for child in multiprocessing.active_children()]
            for key in workers[0]:
                result[f'worker {key}'] = sum(w[key] for w in workers) / len(workers)
            Path(os.environ['RESULT']).write_text(json.dumps(result))
            raise SystemExit
"""
CASES = {  # processes that train together, threads of each, simultaneous runs
    '1 process': (1, 1, 1),
    '1 process, 2 threads': (1, 2, 1),
    '2 processes': (2, 1, 1),
    '2 runs of 1 process': (1, 1, 2),
}
Values = dict[str, float]


def take_turns(
    rounds: int, cases: Mapping[str, Callable[[], Values]], title: str
) -> dict[str, list[Values]]:
    """Measure all cases in turn, in alternating direction, once per round."""
    results: dict[str, list[Values]] = defaultdict(list)
    turns = [name for i in range(rounds) for name in list(cases)[:: -1 if i % 2 else 1]]
    for name in track(turns, title, console=Console(stderr=True), transient=True):
        results[name].append(cases[name]())
    return {name: results[name] for name in cases}


def print_table(title: str, rows: dict[str, list[Values]], columns: dict[str, int]) -> None:
    """Print the medians of the columns, each with its number of decimals."""
    table = Table(title=title, box=None)
    for column in ('', *columns):
        table.add_column(column, justify='right' if column else 'left', no_wrap=True)
    for name, values in rows.items():
        medians = {column: statistics.median(v[column] for v in values) for column in columns}
        table.add_row(name, *(f'{medians[column]:.{columns[column]}f}' for column in columns))
    Console(width=120).print(table)


def start(command: list[object], **environment: object) -> subprocess.Popen[bytes]:
    env = dict(os.environ, **{key: str(value) for key, value in environment.items()})
    output = subprocess.DEVNULL
    return subprocess.Popen([*map(str, command)], env=env, stdout=output, stderr=output)


def train_digits(processes: int, threads: int, runs: int) -> Values:
    """Train, and return the total images per second and the share of time waiting for data."""
    command: list[object] = [sys.executable, TRAIN, DIGITS]
    if processes > 1:
        command = ['bash', ROOT / 'tools/dist_train.sh', DIGITS, processes]
    command += ['--no-validate', '--cfg-options', 'default_hooks.checkpoint.interval=-1']
    command += ['default_hooks.logger.interval=1', 'train_cfg.max_epochs=3', '--work-dir']
    with tempfile.TemporaryDirectory() as folder:
        jobs = [start([*command, f'{folder}/{i}'], OMP_NUM_THREADS=threads) for i in range(runs)]
        for job in jobs:
            job.wait()
        steps = []
        for log in Path(folder).glob('*/*/vis_data/scalars.json'):
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            steps.append([line for line in lines if line['epoch'] > 1])
    return {
        'images/s': sum(statistics.median(s['images_per_second'] for s in run) for run in steps),
        'data, %': statistics.mean(100 * s['data_time'] / s['time'] for run in steps for s in run),
    }


def compare_processes(rounds: int) -> None:
    cases = {name: partial(train_digits, *case) for name, case in CASES.items()}
    rows = take_turns(rounds, cases, 'Training')
    for values in rows.values():
        for value, one in zip(values, rows['1 process'], strict=True):
            value['ratio'] = value['images/s'] / one['images/s']
    columns = {'images/s': 0, 'ratio': 2, 'data, %': 1}
    print_table(f'WRN-16-2, 64 images per process, medians of {rounds}', rows, columns)


def make_links(folder: Path, number: int) -> None:
    """Make class folders of links to one image per class, and an annotation file."""
    lines = []
    for label in range(CLASSES):
        name = f'n{label:08}'
        paths = [
            folder / 'train' / name / f'{name}_{i}.JPEG' for i in range(label, number, CLASSES)
        ]
        paths[0].parent.mkdir(parents=True)
        Image.new('RGB', (32, 32)).save(paths[0])
        for path in paths[1:]:
            path.hardlink_to(paths[0])
        lines += [f'{name}/{path.name} {label}\n' for path in paths]
    (folder / 'train.txt').write_text(''.join(lines))


def start_training(script: Path, config: Path) -> Values:
    """Start a training, and return what the probe measured."""
    result = config.with_suffix('.json')
    result.unlink(missing_ok=True)
    command = [sys.executable, script, config, '--work-dir', config.with_suffix('')]
    environment = dict(PYTHONPATH=f'{ROOT}:{config.parent}', OMP_NUM_THREADS=1)
    start(command, **environment, RESULT=result, START=time.time()).wait()
    return json.loads(result.read_text())


def time_samplers(number: int) -> Values:
    """Return the seconds until the first batch of indices."""
    seconds = {}
    for name, kind in (('wrn', SeededBatchSampler), ('torch', BatchSampler)):
        sampler = kind(DefaultSampler(range(number), seed=0), 32, False)
        begin = time.perf_counter()
        next(iter(sampler))
        seconds[name] = time.perf_counter() - begin
    return seconds


def compare_files(rounds: int, numbers: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / 'probe.py').write_text(PROBE)
        cases = {}
        for number in numbers:
            make_links(folder / str(number), number)
            for layout, ann_file in (('folders', ''), ('list', 'train.txt')):
                config = folder / f'{layout}_{number}.py'
                config.write_text(CONFIG.format(folder=folder / str(number), ann_file=ann_file))
                for tool, script in (('wrn', TRAIN), ('mmpretrain', UPSTREAM)):
                    case = f'{layout}, {number:,}, {tool}'
                    cases[case] = partial(start_training, script, config)
        rows = take_turns(rounds, cases, 'Starting')
    seconds = ('config', 'runner', 'dataset', 'batch', 'total')
    print_table(f'seconds, medians of {rounds}', rows, dict.fromkeys(seconds, 2))
    memory = ('rss', 'peak', 'worker rss', 'worker pss', 'worker own')
    print_table(f'memory in MiB, medians of {rounds}', rows, dict.fromkeys(memory, 0))
    samplers = {f'{number:,}': partial(time_samplers, number) for number in numbers}
    rows = take_turns(rounds, samplers, 'Sampling')
    print_table(f'sampler, seconds, medians of {rounds}', rows, dict(wrn=4, torch=4))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('what', choices=['processes', 'files'])
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--images', type=int, nargs='+', default=[1_000, 10_000, 100_000])
    args = parser.parse_args()
    if args.what == 'processes':
        compare_processes(args.rounds)
    else:
        compare_files(args.rounds, args.images)


if __name__ == '__main__':
    main()
