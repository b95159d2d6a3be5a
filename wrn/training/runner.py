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
from mmengine.runner import BaseLoop

from wrn.checkpoints import ReadOptions
from wrn.checkpoints.checkpoint_file import find_entry, open_checkpoint
from wrn.checkpoints.network_config import adapt_config
from wrn.config.config_errors import config_errors
from wrn.config.config_parts import get_data_preprocessor
from wrn.data.class_names import get_classes
from wrn.training.build_runner import build_runner
from wrn.training.checks import check_optimizer, predicts_one_class
from wrn.training.evaluation import (
    CONFUSION,
    REPORT_METRICS,
    add_metrics,
    find_accuracies,
    list_metrics,
)
from wrn.training.failures import memory_errors, run_errors
from wrn.training.hooks.broadcast_buffers import BroadcastBuffersHook
from wrn.training.hooks.earlier_run import EarlierRunHook
from wrn.training.hooks.early_stopping import use_resumable_early_stopping
from wrn.training.hooks.finite_loss import FiniteLossHook
from wrn.training.hooks.last_batch import LastBatchHook
from wrn.training.hooks.model_checks import CheckpointCheckHook
from wrn.training.hooks.normalization import NormalizationHook
from wrn.training.hooks.performance import OptimizerLayoutHook
from wrn.training.hooks.progress_log import HistoryHook
from wrn.training.hooks.safe_checkpoints import use_safe_checkpoints
from wrn.training.hooks.schedule import ScheduleHook
from wrn.training.hooks.show_progress import ShowProgressHook
from wrn.training.hooks.termination import (
    ProtectWorkersHook,
    TerminationHook,
    describe_position,
)
from wrn.training.launch import init_distributed
from wrn.training.loop import use_exact_loop
from wrn.training.resume import set_resume
from wrn.training.run_lock import lock_folder
from wrn.training.short_warm_up import leave_out_short_warm_ups
from wrn.training.train_result import Trained, describe_result
from wrn.training.worker_signals import unblock_sigterm
from wrn.utils.files import write_atomically
from wrn.zoo.resolve import is_shipped
from wrn_base.run_progress import SILENT, RunProgress
from wrn_base.systems import UNSAVED
from wrn_base.terminal import short_path


def train(
    cfg: Config,
    options: ReadOptions = ReadOptions(),
    template: str | None = None,
    progress: RunProgress = SILENT,
    overwrite: Sequence[Path] | None = None,
    replaces_head: bool = False,
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
        progress: Receives the steps and epochs. Defaults to nobody.
        overwrite: The results that the run replaces, besides the checkpoints in ``work_dir``.
            Defaults to None: it may replace neither.
        replaces_head: Whether the run is for other classes than those of the weights, so that a new
            head needs no warning. Defaults to False.

    Returns:
        The folder and checkpoints of the run.

    Raises:
        WrnError: If the config, the data or the checkpoint is wrong, or the run fails.
        RunStoppedError: If the run was asked to stop.
    """
    started, termination, shown = _StartedHook(), TerminationHook(), ShowProgressHook(progress)
    errors = run_errors('train', cfg.get('work_dir'))
    with errors, config_errors(cfg.filename, unless=lambda: started.started):
        check_optimizer(cfg)
        init_distributed(cfg)
        with termination.listening(), lock_folder(cfg.work_dir):
            earlier = set_resume(cfg, overwrite is not None)
            resume = bool(cfg.get('resume'))
            if resume:  # the key and the prefix are those of the first weights
                options = replace(options, key=None, prefix=None)
            template = template or _find_template(cfg)
            normalization = NormalizationHook(cfg, resume, options)
            _adapt(cfg, options, template)
            check = CheckpointCheckHook(resume, not resume, replaces_head, options, template)
            hooks = [started, termination, check, FiniteLossHook(), HistoryHook(), shown]
            hooks += [BroadcastBuffersHook(), OptimizerLayoutHook(), *use_exact_loop(cfg)]
            hooks += [normalization, ScheduleHook(), LastBatchHook()]
            hooks.append(EarlierRunHook([] if resume else [*earlier, *(overwrite or ())]))
            use_safe_checkpoints(cfg)
            use_resumable_early_stopping(cfg)
            runner = build_runner(cfg, ['train_dataloader', 'val_dataloader'], hooks, progress)
            progress.note(f'the log is in {short_path(runner.logger.log_file)}')
            if UNSAVED:
                progress.note(UNSAVED)
            try:
                with memory_errors(runner, 'train'):
                    leave_out_short_warm_ups(runner)
                    runner.train()
            except KeyboardInterrupt:
                raise KeyboardInterrupt(describe_position(runner)) from None
        _stop_workers(runner.train_loop, runner.val_loop)
    return describe_result(runner, shown.metric)


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
    extra_hooks: Sequence[Hook] = (),
    options: ReadOptions = ReadOptions(),
    template: str | None = None,
    progress: RunProgress = SILENT,
    overwrite: bool = False,
) -> Results:
    """Test a model.

    Args:
        cfg: The config, with the command-line options applied. Its ``load_from`` is the checkpoint.
        out: The file to write results to. Defaults to None.
        out_item: What to write: the predictions (``'pred'``) or the metrics (``'metrics'``).
            Defaults to None, the predictions.
        extra_hooks: Further hooks, such as the one that replaces the network by a backend. Defaults
            to none.
        options: What to take from the checkpoint. Defaults to the usual.
        template: As for :func:`train`. Defaults to None.
        progress: As for :func:`train`. Defaults to nobody.
        overwrite: Whether to replace a file that exists. Defaults to False.

    Returns:
        The metrics and the class names.

    Raises:
        WrnError: If the config, the data or the checkpoint is wrong.
    """
    started = _StartedHook()
    errors = run_errors('test', cfg.get('work_dir'))
    with errors, config_errors(cfg.filename, unless=lambda: started.started):
        adds_matrix = _add_report_metrics(cfg)
        if out and out_item != 'metrics':
            writer = dict(type='PredictionWriter', out=out, overwrite=overwrite)
            cfg.test_evaluator = add_metrics(cfg.get('test_evaluator'), writer)
        template = template or _find_template(cfg)
        _adapt(cfg, options, template)
        hooks = [
            started,
            ShowProgressHook(progress),
            CheckpointCheckHook(options=options, template=template),
            ProtectWorkersHook(),
            *extra_hooks,
        ]
        runner = build_runner(cfg, ['test_dataloader'], hooks, progress)
        with unblock_sigterm(), memory_errors(runner, 'test'):
            metrics = runner.test()
        _stop_workers(runner.test_loop)
    if out and out_item == 'metrics' and is_main_process():
        plain = {
            name: value.tolist() if torch.is_tensor(value) else value
            for name, value in metrics.items()
            if not (adds_matrix and name == CONFUSION)  # 1000 classes have a million numbers
        }
        text = mmengine.dump(plain, file_format=Path(out).suffix.lstrip('.'))
        with write_atomically(out, overwrite) as file:
            file.write(text.encode())
    return Results(metrics, get_classes(runner.test_dataloader.dataset))


def _add_report_metrics(cfg: Config) -> bool:
    """Measure balanced accuracy and an interval wherever top-1 accuracy is measured.

    Returns:
        Whether a confusion matrix was added, which the config does not ask for.
    """
    own = cfg.get('test_evaluator')
    measures_top1 = any(1 in topk for _, topk in find_accuracies(own))
    if not (measures_top1 and predicts_one_class(cfg.model)):
        return False
    cfg.test_evaluator = add_metrics(own, *REPORT_METRICS)
    return REPORT_METRICS[0] in cfg.test_evaluator[len(list_metrics(own)) :]


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


class _StartedHook(Hook):
    """Record whether the run has completed a batch: later errors are not due to the config."""

    started = False

    def _after_iter(self, *args: Any, **kwargs: Any) -> None:
        self.started = True
