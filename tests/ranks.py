"""Evaluate in two processes that talk through gloo, each of which has its part of the data."""

import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmpretrain.registry import METRICS

import wrn  # noqa: F401


def build_evaluator(*metrics: dict[str, Any]) -> Evaluator:
    return Evaluator([METRICS.build(metric) for metric in metrics])


def evaluate(
    metrics: list[dict[str, Any]], samples: list[dict[str, Any]], sizes: list[int]
) -> list[dict[str, Any]]:
    """Evaluate the first of the samples, for each of the sizes, in batches of three."""
    results = []
    for size in sizes:
        evaluator = build_evaluator(*metrics)
        evaluator.dataset_meta = dict(classes='abcdefg')
        indices = list(DefaultSampler(range(size), shuffle=False))
        for start in range(0, len(indices), 3):
            evaluator.process([samples[i] for i in indices[start : start + 3]])
        results.append(evaluator.evaluate(size))
    return results


def evaluate_in_two(*args: Any) -> list[list[dict[str, Any]]]:
    """Do so in two processes, and return what each has as the result."""
    context = multiprocessing.get_context('forkserver')  # that of commands.py
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2, context) as executor:
        futures = [executor.submit(_evaluate, rank, folder, *args) for rank in range(2)]
        return [future.result(timeout=60) for future in futures]


def _evaluate(rank: int, folder: str, *args: Any) -> list[dict[str, Any]]:
    os.chdir(folder)  # where mmengine collects results
    store = Path(folder, 'store').as_uri()
    torch.distributed.init_process_group('gloo', store, rank=rank, world_size=2)
    try:
        return evaluate(*args)
    finally:
        torch.distributed.destroy_process_group()
