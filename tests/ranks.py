"""Run functions in two processes that communicate through gloo."""

import multiprocessing
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_rank
from mmengine.evaluator import Evaluator
from mmpretrain.registry import METRICS

import wrn  # noqa: F401
from wrn.training.resume import is_restarted


def build_evaluator(*metrics: dict[str, Any]) -> Evaluator:
    return Evaluator([METRICS.build(metric) for metric in metrics])


def evaluate(
    metrics: list[dict[str, Any]], samples: list[dict[str, Any]], sizes: list[int]
) -> list[dict[str, Any]]:
    """Evaluate this rank's share of the first ``size`` samples, for each size, in batches of 3."""
    results = []
    for size in sizes:
        evaluator = build_evaluator(*metrics)
        evaluator.dataset_meta = dict(classes='abcdefg')
        indices = list(DefaultSampler(range(size), shuffle=False))
        for start in range(0, len(indices), 3):
            evaluator.process([samples[i] for i in indices[start : start + 3]])
        results.append(evaluator.evaluate(size))
    return results


def restarted(counts: list[int]) -> bool:
    """Return whether the job is a restart, given the restart count of each rank."""
    os.environ['TORCHELASTIC_RESTART_COUNT'] = str(counts[get_rank()])
    return is_restarted()


def run_in_two(function: Callable[..., Any], *args: Any) -> list[Any]:
    """Call a function of this module in both processes and return both results."""
    context = multiprocessing.get_context('forkserver')  # shared with commands.py
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2, context) as executor:
        futures = [executor.submit(_run, rank, folder, function, *args) for rank in range(2)]
        return [future.result(timeout=60) for future in futures]


def _run(rank: int, folder: str, function: Callable[..., Any], *args: Any) -> Any:
    os.chdir(folder)  # where mmengine collects results
    store = Path(folder, 'store').as_uri()
    torch.distributed.init_process_group('gloo', store, rank=rank, world_size=2)
    try:
        return function(*args)
    finally:
        torch.distributed.destroy_process_group()
