"""Fine-tune a model, test it, and write its weights and a report."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process

from wrn.checkpoints import ReadOptions, read_checkpoint
from wrn.checkpoints.assumptions import read_normalization
from wrn.checkpoints.publish import publish
from wrn.training.evaluation import REPORT_METRICS, Report, add_metrics
from wrn.training.evaluation.curve_charts import make_curves
from wrn.training.evaluation.curves import read_log
from wrn.training.evaluation.line_chart import Curves
from wrn.training.failures import run_errors
from wrn.training.finetune_folder import (
    find_best,
    remove_checkpoints,
)
from wrn.training.finetune_results import REPORT, find_replaced
from wrn.training.hooks.record_images import RecordedTest, RecordImagesHook
from wrn.training.hooks.termination import stop_on_sigterm
from wrn.training.launch import ask_first
from wrn.training.runner import test, train
from wrn_base.run_progress import SILENT, RunProgress

ReportWriter: TypeAlias = Callable[[Report, RecordedTest, Callable[[], Curves]], None]
"""Writes the report of a run: takes its metrics, the results of each image, and a
function that makes its curves."""


@dataclass
class Finetuned:
    """The results of a fine-tuning run.

    Attributes:
        weights: The weights file.
        report: The test results. None if the run was already complete.
        folder: The folder of the report.
    """

    weights: Path
    report: Report | None
    folder: Path


def finetune(
    cfg: Config,
    provenance: str,
    write_report: ReportWriter,
    options: ReadOptions = ReadOptions(),
    template: str | None = None,
    progress: RunProgress = SILENT,
    overwrite: bool = False,
) -> Finetuned | None:
    """Train, test the best epoch, and write its weights and a report.

    Args:
        cfg: A config made by :func:`wrn.training.make_finetune_config`. Its ``work_dir`` was set by
            :func:`wrn.training.claim_folder`.
        provenance: Where the weights come from, to be recorded in their file.
        write_report: Writes the report.
        options: As for :func:`wrn.training.train`. Defaults to the usual.
        template: As for :func:`wrn.training.train`. Defaults to None.
        progress: As for :func:`wrn.training.train`. Defaults to nobody.
        overwrite: Whether to replace the results of another run. Defaults to False.

    Returns:
        The results in the main process; None in the other processes of a distributed job.

    Raises:
        WrnError: If the run fails.
        RunStoppedError: If the run was asked to stop.
    """
    with run_errors('train'), stop_on_sigterm():
        earlier = find_replaced(cfg) if overwrite else None
        train(deepcopy(cfg), options, template, progress, earlier, replaces_head=True)
        try:
            return _finish(cfg, provenance, write_report, template, progress)
        except KeyboardInterrupt:
            message = 'stopped after training; run again with --resume'
            raise KeyboardInterrupt(message) from None


def _finish(
    cfg: Config,
    provenance: str,
    write_report: ReportWriter,
    template: str | None,
    progress: RunProgress,
) -> Finetuned | None:
    """Test the best epoch, and write its weights and a report, in this order."""
    run, name = Path(cfg.work_dir), Path(cfg.filename).stem
    barrier()  # the main process writes the checkpoints
    best = str(ask_first(lambda: find_best(cfg)))
    cfg.update(load_from=best, resume=False, work_dir=str(run / 'test'))
    cfg.test_evaluator = add_metrics(cfg.test_evaluator, *REPORT_METRICS)
    meta = read_checkpoint(best).get('meta') or {}
    # The first weights may have come with a normalization of their own.
    stated = read_normalization(meta)
    options = ReadOptions(**stated or {})
    hook = RecordImagesHook()
    results = test(cfg, None, None, [hook], options, template, progress)
    if not is_main_process():
        return None
    assert hook.recorded is not None  # for mypy: the main process has the results
    report = Report(results.metrics, results.classes)
    # The weights come first: they took the longest. Until the checkpoints are removed, the run
    # counts as unfinished, so --resume tests again and writes the report.
    weights = publish(best, f'{name}.pth', run.parent, source=provenance, overwrite=True).path
    write_report(
        report,
        hook.recorded,
        lambda: make_curves(name, read_log(str(run)), meta.get('epoch')),
    )
    remove_checkpoints(run, cfg)
    return Finetuned(weights, report, run.parent / REPORT)
