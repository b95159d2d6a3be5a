"""Train and test with mmengine's runner."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import BaseLoop, Runner

from wrn.config.config_errors import config_errors
from wrn.data import fetch_cifar
from wrn.data.image_folder import use_image_folders
from wrn.training.checks import (
    CheckpointCheckHook,
    ClassCheckHook,
    check_data_folder,
    check_optimizer,
    check_topk,
    get_num_classes,
)
from wrn.training.console import BriefConsole
from wrn.training.evaluation import add_metrics
from wrn.training.failures import run_errors
from wrn.training.hooks.early_stopping import use_resumable_early_stopping
from wrn.training.hooks.engine_hook import EngineHook
from wrn.training.hooks.progress_log import HistoryHook
from wrn.training.hooks.safe_checkpoints import use_safe_checkpoints
from wrn.training.hooks.termination import (
    FiniteLossHook,
    OutlivingHook,
    TerminationHook,
    unblock_sigterm,
)
from wrn.training.hooks.unreadable_images import UnreadableHook
from wrn.training.launch import BroadcastBuffersHook, init_distributed
from wrn.training.loop import use_exact_loop
from wrn.training.resume import set_resume
from wrn.training.speed import OptimizerLayoutHook
from wrn.utils.compat.quick_visualizer import use_quick_visualizer
from wrn.utils.files import write_atomically


def train(cfg: Config) -> None:
    """Train a model.

    A config that trains by epochs, with batches of its sampler's, does so in
    :class:`wrn.training.loop.ExactTrainLoop`.

    Args:
        cfg: The config, with the command line's options set. ``resume='auto'`` is to go on from the
            newest checkpoint in ``work_dir`` that is whole; a process that ``torchrun`` starts
            again after a failure does so whatever it says.

    Raises:
        WrnError: If the config, the data or the checkpoint is wrong, or the run cannot go on.
        RunStoppedError: If the run was told to stop.
    """
    started, termination = _StartedHook(), TerminationHook()
    with run_errors('train'), config_errors(cfg.filename, unless=lambda: started.yes):
        check_optimizer(cfg)
        init_distributed(cfg)
        with termination.listening():
            runner = _build_train_runner(cfg, [started, termination])
            runner.train()
        _drop_iterators(runner.train_loop, runner.val_loop)


def _build_train_runner(cfg: Config, hooks: list[Hook]) -> Runner:
    set_resume(cfg)
    resume = bool(cfg.get('resume'))
    hooks += [CheckpointCheckHook(resume, new_head=not resume), FiniteLossHook(), HistoryHook()]
    hooks += [BroadcastBuffersHook(), OptimizerLayoutHook(), *use_exact_loop(cfg)]
    use_safe_checkpoints(cfg)
    use_resumable_early_stopping(cfg)
    return build_runner(cfg, ['train_dataloader', 'val_dataloader'], hooks)


@dataclass
class Results:
    """What came of a test.

    Attributes:
        metrics: The metrics by name.
        classes: The names of the data set's classes, if it has any.
    """

    metrics: dict[str, Any]
    classes: Sequence[str] | None


def test(
    cfg: Config,
    out: str | None = None,
    out_item: str | None = None,
    engine: EngineHook | None = None,
) -> Results:
    """Test a model.

    Args:
        cfg: The config, with the command line's options set; ``load_from`` is the checkpoint.
        out: The file to write results to. Defaults to None.
        out_item: ``'pred'`` to write the predictions, ``'metrics'`` to write the metrics.
            Defaults to None, the predictions.
        engine: What runs the network. Defaults to None: torch, layer by layer.

    Returns:
        The metrics, and the names of the classes.

    Raises:
        WrnError: If the config, the data or the checkpoint is wrong.
    """
    started = _StartedHook()
    with run_errors('test'), config_errors(cfg.filename, unless=lambda: started.yes):
        if out and out_item != 'metrics':
            cfg.test_evaluator = add_metrics(
                cfg.get('test_evaluator'), dict(type='PredictionWriter', out=out)
            )
        hooks = [started, CheckpointCheckHook(), OutlivingHook(), *([engine] if engine else [])]
        runner = build_runner(cfg, ['test_dataloader'], hooks)
        with unblock_sigterm():
            metrics = runner.test()
        _drop_iterators(runner.test_loop)
    if out and out_item == 'metrics' and is_main_process():
        plain = {k: v.tolist() if torch.is_tensor(v) else v for k, v in metrics.items()}
        text = mmengine.dump(plain, file_format=Path(out).suffix.lstrip('.'))
        with write_atomically(out) as file:
            file.write(text.encode())
    dataset_meta = getattr(runner.test_dataloader.dataset, 'metainfo', {})
    return Results(metrics, dataset_meta.get('classes'))


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
    use_quick_visualizer(cfg)
    # Its text is written at the start and into each checkpoint, and takes long to lay out nicely.
    cfg = Config(cfg.to_dict(), cfg.text, cfg.filename, format_python_code=False)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else _Runner.from_cfg(cfg)
    for name in loaders:  # not in its cfg, which goes into checkpoints that others read
        if loader := getattr(runner, f'_{name}'):
            use_image_folders(loader.dataset)
    for hook in (*hooks, ClassCheckHook(classes), UnreadableHook()):
        runner.register_hook(hook)
    return runner


class _Runner(BriefConsole, Runner):
    """mmengine's runner."""


def _drop_iterators(*loops: BaseLoop | None) -> None:
    """End data workers that stay between epochs.

    If they are left to the garbage collector, or to Python's exit, they are waited for in vain for
    five seconds each.
    """
    for loop in loops:
        if loop is not None:
            loop.dataloader._iterator = None


class _StartedHook(Hook):
    """Know whether the run has come through a batch: errors after it are not the config's."""

    yes = False

    def _after_iter(self, *args: Any, **kwargs: Any) -> None:
        self.yes = True
