"""Train and test with mmengine's runner."""

from pathlib import Path
from typing import Any

import mmengine
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from wrn.config import config_errors
from wrn.datasets import fetch_cifar
from wrn.files import write_atomically
from wrn.training.checks import (
    CheckpointCheckHook,
    ClassCheckHook,
    check_data_folder,
    check_optimizer,
    check_topk,
    get_num_classes,
)
from wrn.training.launch import init_distributed


def train(cfg: Config) -> None:
    """Train a model.

    Args:
        cfg: The config, with the command line's options set.

    Raises:
        WrnError: If the config, the data or the checkpoint is wrong.
    """
    resume = bool(cfg.get('resume'))
    started = _StartedHook()
    with config_errors(cfg.filename, unless=lambda: started.yes):
        check_optimizer(cfg)
        hooks = [started, CheckpointCheckHook(resume, new_head=not resume)]
        build_runner(cfg, ['train_dataloader', 'val_dataloader'], hooks).train()


def test(cfg: Config, out: str | None = None, out_item: str | None = None) -> dict[str, float]:
    """Test a model.

    Args:
        cfg: The config, with the command line's options set; ``load_from`` is the checkpoint.
        out: The file to write results to. Defaults to None.
        out_item: ``'pred'`` to write the predictions, ``'metrics'`` to write the metrics.
            Defaults to None, the predictions.

    Returns:
        The metrics by name.

    Raises:
        WrnError: If the config, the data or the checkpoint is wrong.
    """
    started = _StartedHook()
    with config_errors(cfg.filename, unless=lambda: started.yes):
        runner = build_runner(cfg, ['test_dataloader'], [started, CheckpointCheckHook()])
        if out and out_item != 'metrics':
            runner.test_evaluator.metrics.append(DumpResults(out_file_path=out))
        metrics = runner.test()
    if out and out_item == 'metrics' and is_main_process():
        text = mmengine.dump(metrics, file_format=Path(out).suffix.lstrip('.'))
        with write_atomically(out) as file:
            file.write(text.encode())
    return metrics


def build_runner(cfg: Config, loaders: list[str], hooks: list[Hook]) -> Runner:
    """Build mmengine's runner, after looking for mistakes that it would find late or not at all.

    Args:
        cfg: The config.
        loaders: The data loaders that will be used, such as ``'train_dataloader'``.
        hooks: Hooks to add to the config's.

    Returns:
        The runner.

    Raises:
        WrnError: If the config or the data is wrong.
    """
    classes = get_num_classes(cfg.model)
    for name in loaders:
        if cfg.get(name):
            check_data_folder(name, cfg[name].dataset, classes)
            fetch_cifar(cfg[name].dataset)
            evaluator = name.replace('dataloader', 'evaluator')
            check_topk(evaluator, cfg.get(evaluator), classes)
    init_distributed(cfg)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    for hook in (*hooks, ClassCheckHook(classes)):
        runner.register_hook(hook)
    return runner


class _StartedHook(Hook):
    """Know whether the run has come through a batch: errors after it are not the config's."""

    yes = False

    def _after_iter(self, *args: Any, **kwargs: Any) -> None:
        self.yes = True
