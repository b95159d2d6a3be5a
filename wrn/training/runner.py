"""Train and test with mmengine's runner."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import BaseLoop, Runner

from wrn.checkpoints import ReadOptions
from wrn.checkpoints.checkpoint_file import find_entry, open_checkpoint
from wrn.checkpoints.network_config import adapt_config
from wrn.config.config_errors import config_errors
from wrn.config.config_parts import get_data_preprocessor
from wrn.data import fetch_cifar
from wrn.data.class_names import get_classes
from wrn.data.image_folder import use_image_folders
from wrn.training.brief_runner import BriefRunner
from wrn.training.checks import check_data_folders, check_optimizer, check_topk, get_num_classes
from wrn.training.evaluation import add_metrics
from wrn.training.failures import run_errors
from wrn.training.hooks.broadcast_buffers import BroadcastBuffersHook
from wrn.training.hooks.early_stopping import use_resumable_early_stopping
from wrn.training.hooks.engine_hook import EngineHook
from wrn.training.hooks.finite_loss import FiniteLossHook
from wrn.training.hooks.last_batch import LastBatchHook
from wrn.training.hooks.model_checks import CheckpointCheckHook, ClassCheckHook
from wrn.training.hooks.normalization import NormalizationHook
from wrn.training.hooks.performance import OptimizerLayoutHook
from wrn.training.hooks.progress_log import HistoryHook
from wrn.training.hooks.safe_checkpoints import use_safe_checkpoints
from wrn.training.hooks.schedule import ScheduleHook
from wrn.training.hooks.termination import (
    ProtectWorkersHook,
    TerminationHook,
    describe_position,
    unblock_sigterm,
)
from wrn.training.hooks.unreadable_images import UnreadableHook
from wrn.training.launch import init_distributed
from wrn.training.loop import use_exact_loop
from wrn.training.network_checks import check_forward, check_pretrained_init
from wrn.training.resume import set_resume
from wrn.utils.compat.quick_visualizer import use_quick_visualizer
from wrn.utils.files import write_atomically
from wrn.zoo.resolve import is_shipped


@dataclass(frozen=True)
class Trained:
    """The results of a training run.

    Attributes:
        folder: The folder of its checkpoints and logs.
        last: The last checkpoint. None if none was written.
        best: The checkpoint with the best validation. None without ``save_best`` in the config.
        best_score: The metric of that validation.
    """

    folder: Path
    last: Path | None
    best: Path | None
    best_score: float | None


def train(
    cfg: Config,
    options: ReadOptions = ReadOptions(),
    template: str | None = None,
) -> Trained:
    """Train a model.

    A config that trains by epochs and has no batch sampler of its own runs in
    :class:`wrn.training.loop.ExactTrainLoop`.

    Args:
        cfg: The config, with the command-line options applied. ``resume='auto'`` resumes from the
            newest intact checkpoint in ``work_dir``. A process that ``torchrun`` restarts after a
            failure always does so.
        options: What to take from the file of its ``load_from``. Defaults to the usual.
        template: As for :func:`wrn.checkpoints.assumptions.assume_network`. Defaults to None:
            the config, if it is a shipped one.

    Returns:
        The folder and checkpoints of the run.

    Raises:
        WrnError: If the config, the data or the checkpoint is wrong, or the run fails.
        RunStoppedError: If the run was asked to stop.
    """
    progress, termination = _ProgressHook(), TerminationHook()
    errors = run_errors('train', cfg.get('work_dir'))
    with errors, config_errors(cfg.filename, unless=lambda: progress.started):
        check_optimizer(cfg)
        check_pretrained_init(cfg)
        init_distributed(cfg)
        with termination.listening():
            set_resume(cfg)
            resume = bool(cfg.get('resume'))
            if resume:  # the key and the prefix are those of the first weights
                options = replace(options, key=None, prefix=None)
            template = template or _find_template(cfg)
            normalization = NormalizationHook(cfg, resume, options)
            _adapt(cfg, options, template)
            check = CheckpointCheckHook(resume, not resume, options, template)
            hooks = [progress, termination, check, FiniteLossHook(), HistoryHook()]
            hooks += [BroadcastBuffersHook(), OptimizerLayoutHook(), *use_exact_loop(cfg)]
            hooks += [normalization, ScheduleHook(), LastBatchHook()]
            use_safe_checkpoints(cfg)
            use_resumable_early_stopping(cfg)
            runner = build_runner(cfg, ['train_dataloader', 'val_dataloader'], hooks)
            try:
                runner.train()
            except KeyboardInterrupt:
                raise KeyboardInterrupt(describe_position(runner)) from None
        _stop_workers(runner.train_loop, runner.val_loop)
    folder, known = Path(runner.work_dir), runner.message_hub.runtime_info
    mark, best = folder / 'last_checkpoint', known.get('best_ckpt')
    last = Path(mark.read_text().strip()) if mark.is_file() else None
    return Trained(folder, last, Path(best) if best else None, known.get('best_score'))


@dataclass
class Results:
    """The results of a test.

    Attributes:
        metrics: The metrics by name.
        classes: The class names of the dataset; None if it has none.
    """

    metrics: dict[str, Any]
    classes: Sequence[str] | None


def test(
    cfg: Config,
    out: str | None = None,
    out_item: str | None = None,
    engine: EngineHook | None = None,
    options: ReadOptions = ReadOptions(),
    template: str | None = None,
) -> Results:
    """Test a model.

    Args:
        cfg: The config, with the command-line options applied. Its ``load_from`` is the checkpoint.
        out: The file to write results to. Defaults to None.
        out_item: What to write: the predictions (``'pred'``) or the metrics (``'metrics'``).
            Defaults to None, the predictions.
        engine: The hook that replaces the network by a backend. Defaults to None, eager PyTorch.
        options: What to take from the checkpoint. Defaults to the usual.
        template: As for :func:`train`. Defaults to None.

    Returns:
        The metrics and the class names.

    Raises:
        WrnError: If the config, the data or the checkpoint is wrong.
    """
    progress = _ProgressHook()
    errors = run_errors('test', cfg.get('work_dir'))
    with errors, config_errors(cfg.filename, unless=lambda: progress.started):
        if out and out_item != 'metrics':
            writer = dict(type='PredictionWriter', out=out)
            cfg.test_evaluator = add_metrics(cfg.get('test_evaluator'), writer)
        template = template or _find_template(cfg)
        _adapt(cfg, options, template)
        hooks = [
            progress,
            CheckpointCheckHook(options=options, template=template),
            ProtectWorkersHook(),
            *([engine] if engine else []),
        ]
        runner = build_runner(cfg, ['test_dataloader'], hooks)
        with unblock_sigterm():
            metrics = runner.test()
        _stop_workers(runner.test_loop)
    if out and out_item == 'metrics' and is_main_process():
        plain = {k: v.tolist() if torch.is_tensor(v) else v for k, v in metrics.items()}
        text = mmengine.dump(plain, file_format=Path(out).suffix.lstrip('.'))
        with write_atomically(out) as file:
            file.write(text.encode())
    return Results(metrics, get_classes(runner.test_dataloader.dataset))


def build_runner(cfg: Config, loaders: list[str], hooks: list[Hook]) -> Runner:
    """Build mmengine's runner, after checks for mistakes that it would report late or not at all.

    Args:
        cfg: The config.
        loaders: The config keys of the data loaders in use, such as ``'train_dataloader'``.
        hooks: Hooks to add to those of the config.

    Returns:
        The runner.

    Raises:
        WrnError: If the config or the data is wrong.
    """
    num_classes, notes = get_num_classes(cfg.model), []
    for name in loaders:
        if cfg.get(name):
            notes.append(check_data_folders(name, cfg[name].dataset, num_classes))
            fetch_cifar(cfg[name].dataset)
            evaluator = name.replace('dataloader', 'evaluator')
            check_topk(evaluator, cfg.get(evaluator), num_classes)
    init_distributed(cfg)
    use_quick_visualizer(cfg)
    # mmengine writes the config's text at the start and into each checkpoint. Formatting is slow.
    cfg = Config(cfg.to_dict(), cfg.text, cfg.filename, format_python_code=False)
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else BriefRunner.from_cfg(cfg)
    check_forward(runner.model, cfg)
    for note in filter(None, notes):
        runner.logger.warning(note)
    # The runner's cfg is left alone: it goes into checkpoints, which are read without this package.
    for name in loaders:
        if loader := getattr(runner, f'_{name}'):
            use_image_folders(loader.dataset)
    for hook in (*hooks, ClassCheckHook(), UnreadableHook()):
        runner.register_hook(hook)
    return runner


def _find_template(cfg: Config) -> str | None:
    return str(cfg.filename) if cfg.filename and is_shipped(cfg.filename) else None


def _adapt(cfg: Config, options: ReadOptions, template: str | None) -> None:
    """Set what the caller states of the weights, and what a shipped config leaves open."""
    preprocessor = get_data_preprocessor(cfg)
    if options.mean is not None and options.std is not None and isinstance(preprocessor, dict):
        preprocessor.update(mean=[*options.mean], std=[*options.std])
    path = cfg.get('load_from')
    if template and isinstance(path, str) and find_entry(path) is None:
        adapt_config(cfg, open_checkpoint(path, options).weights, path, template)


def _stop_workers(*loops: BaseLoop | None) -> None:
    """Stop the persistent workers of data loaders.

    The garbage collector, or Python at exit, would wait five seconds for each of them in vain.
    """
    for loop in filter(None, loops):
        loop.dataloader._iterator = None


class _ProgressHook(Hook):
    """Record whether the run has completed a batch: later errors are not due to the config."""

    started = False

    def _after_iter(self, *args: Any, **kwargs: Any) -> None:
        self.started = True
