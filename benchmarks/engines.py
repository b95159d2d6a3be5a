"""Inference throughput of our backends, mmpretrain, torchvision, timm, ONNX Runtime and OpenVINO.

All alternate in one process on the same random weights and images, after a check that they compute
the same::

    python benchmarks/engines.py --json engines.json --png engines.png
    python benchmarks/engines.py --model wide-resnet28-10    # or digits; others are plain torch
    python benchmarks/engines.py --only 'ours, *' '*OpenVINO*' --batch-sizes 8

A turn lasts a second, or one call (four for single images) if that is longer. Batches of 32 and
more get half the rounds, since a call takes seconds. All use as many threads as torch
(``OMP_NUM_THREADS``). With building and warm-up, it takes a quarter of an hour. All networks are in
memory at once: 16 GiB for wide-resnet50.

Models are float32 unless their name says otherwise. OpenVINO uses bfloat16 where the CPU has it,
hence its row ``by default``. ``compiled`` is ``torch.compile`` with channels-last. ``p50`` and
``p99`` are of all calls; if there are few, p99 is about the longest. ``to eager`` and
``to compiled`` are the speed-ups over the fastest eager and the fastest compiled baseline in
float32, medians over the rounds. ``difference`` is the largest difference from plain eager torch,
relative to the largest logit.

``share`` is the network's multiply-adds per second, relative to the best rate of torch on this
machine in float32, in a product of large matrices or a convolution (3x3 or 1x1) of the network's
sizes. It counts the multiply-adds of direct convolutions, so it can exceed 1: ncnn computes 3x3
convolutions by Winograd's algorithm, with fewer, and int8 and bfloat16 use other instructions.
"""

import argparse
import contextlib
import json
import logging
import tempfile
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from candidates import Candidate, Network, candidates, load
from cifar import convolution_rate, timed
from engines_report import draw, print_table
from machine import describe_machine, versions
from rich.console import Console
from rich.progress import track
from tasks import MODELS, Task, write_files
from torch import Tensor

from wrn.deploy.engines import EngineError
from wrn.deploy.engines.verify import compare, find_tolerance

TURN = 1.0  # seconds
MEMORY_FORMATS = (torch.contiguous_format, torch.channels_last)
watch = partial(track, console=Console(stderr=True), transient=True)


class Entry:
    """A candidate, its network, the messages of its build, and its times."""

    def __init__(self, candidate: Candidate, network: Network, note: str) -> None:
        self.candidate, self.network, self.note = candidate, network, note
        self.difference = 0.0
        self.rounds: list[list[float]] = []

    def check(self, plain: Network, inputs: Tensor) -> None:
        """Check that it computes what the others do, so that its times are comparable."""
        difference = compare(lambda x: (self.network(x),), lambda x: (plain(x),), inputs)
        self.difference = difference.maximum
        tolerance = find_tolerance(self.candidate.precision, torch.device('cpu'))
        assert self.difference <= tolerance, (self.candidate.name, difference)

    def take_turn(self, inputs: Tensor) -> None:
        time.sleep(0.05)  # until the threads of the last turn are idle
        seconds: list[float] = []
        while sum(seconds) < TURN or len(seconds) < 4 // len(inputs):
            seconds.append(timed(partial(self.network, inputs)))
        self.rounds.append(seconds)

    def medians(self) -> np.ndarray:
        """Return the median time of a call in each round."""
        return np.array([np.median(seconds) for seconds in self.rounds])


class Builder:
    """Builds each candidate once, or if it is tuned, once for each batch size."""

    def __init__(self, all_candidates: list[Candidate]) -> None:
        self.candidates = all_candidates
        self.built: dict[str, Entry] = {}
        self.skipped: dict[str, str] = {}

    def build_all(self, task: Task) -> list[Entry]:
        entries = []
        for candidate in watch(self.candidates, f'Building for batches of {task.batch_size}'):
            entry = self.built.get(candidate.name) or self.build(candidate, task)
            if entry is None:
                continue
            if not candidate.tuned:
                self.built[candidate.name] = entry
            entries.append(Entry(candidate, entry.network, entry.note))
        return entries

    def build(self, candidate: Candidate, task: Task) -> Entry | None:
        try:
            with collect_messages() as lines, warnings.catch_warnings():
                warnings.simplefilter('ignore')  # of exporters, about their internals
                network = candidate.build(task)
        except (EngineError, ImportError) as error:
            self.skipped[candidate.name] = str(error)
            return None
        return Entry(candidate, network, '; '.join(lines))


@contextlib.contextmanager
def collect_messages() -> Iterator[list[str]]:
    """Collect the log messages of ``wrn`` about backends that it builds."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger('wrn')
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


def matrix_rate(size: int = 2048) -> float:
    """Measure the multiply-adds per second of a product of two square matrices."""
    a, b = torch.randn(2, size, size)
    return size**3 / min(timed(partial(torch.mm, a, b)) for _ in range(3))


def measure(entries: list[Entry], task: Task, rounds: int) -> dict[str, float]:
    """Check all, let them take turns, and return the machine's rates measured in between."""
    inputs, plain = task.inputs(), load(task)
    for entry in watch(entries, 'Checking'):  # also warms them up
        entry.check(plain, inputs)
    rates = dict.fromkeys(('matrix product', 'convolution'), 0.0)
    sizes = MODELS[task.model].convolutions
    for run in watch(range(rounds), f'Batches of {task.batch_size}'):
        convolution = convolution_rate(min(task.batch_size, 8), sizes, MEMORY_FORMATS, (3, 1))
        for name, rate in zip(rates, (matrix_rate(), convolution), strict=True):
            rates[name] = max(rates[name], rate)
        for entry in entries[:: 1 if run % 2 else -1]:  # alternate the direction
            entry.take_turn(inputs)
    return rates


def summarise(entries: list[Entry], batch_size: int) -> list[dict[str, Any]]:
    """Return a record of the results of each."""
    best: dict[str, np.ndarray] = {}
    for kind in ('eager', 'compiled'):
        peers = [entry.medians() for entry in entries if entry.candidate.kind == kind]
        if peers:
            best[kind] = min(peers, key=np.median)
    records = []
    for entry in entries:
        seconds = np.concatenate(entry.rounds)
        p50, p99 = np.percentile(seconds, (50, 99))
        record = dict(
            batch_size=batch_size,
            name=entry.candidate.name,
            kind=entry.candidate.kind,
            precision=entry.candidate.precision,
            calls=len(seconds),
            p50=p50,
            p99=p99,
            images_per_second=batch_size / p50,
            difference=entry.difference,
            note=entry.note,
        )
        for kind, peer in best.items():
            record[f'to_{kind}'] = float(np.median(peer / entry.medians()))
        records.append(record)
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--model', choices=MODELS, default='wide-resnet50')
    parser.add_argument('--batch-sizes', type=int, nargs='+', default=[1, 8, 32])
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument(
        '--only', nargs='+', default=['*'], metavar='NAME', help='names or patterns'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all results here')
    parser.add_argument('--png', type=Path, metavar='FILE', help='draw the images per second here')
    args = parser.parse_args()
    builder = Builder(candidates(args.model, args.only))
    rates: dict[str, float] = {}
    records = []
    with tempfile.TemporaryDirectory() as folder:
        task = Task(args.model, Path(folder), 1)
        write_files(task)
        for batch_size in args.batch_sizes:
            task = task._replace(batch_size=batch_size)
            entries = builder.build_all(task)
            rounds = args.rounds if batch_size < 32 else -(-args.rounds // 2)
            for name, rate in measure(entries, task, rounds).items():
                rates[name] = max(rates.get(name, 0.0), rate)
            records += summarise(entries, batch_size)
    results = dict(
        model=args.model,
        machine=describe_machine(),
        versions=versions(),
        rates=rates,
        limit=max(rates.values()) / MODELS[args.model].multiply_adds,  # images per second
        records=records,
        skipped=builder.skipped,
    )
    print_table(results)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + '\n')
    if args.png:
        draw(results, args.png)


if __name__ == '__main__':
    main()
