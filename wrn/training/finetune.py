"""Fine-tune a model, test it, and leave its weights and a report."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process

from wrn import training
from wrn.checkpoints.publish import publish
from wrn.training.evaluation import REPORT_METRICS, Report, add_metrics
from wrn.training.evaluation.curves import draw_curves, read_log
from wrn.utils.files import write_atomically


@dataclass
class Finetuned:
    """What came of it.

    Attributes:
        weights: The file of the weights.
        report: The results of the test.
        folder: Where they are written.
    """

    weights: Path
    report: Report
    folder: Path


def finetune(cfg: Config, source: str) -> Finetuned | None:
    """Train, test the epoch that was best, and leave its weights and a report.

    Args:
        cfg: The config, of :func:`wrn.training.finetune_config` and
            :func:`wrn.training.claim_folder`.
        source: What to say in the file of where the weights are from.

    Returns:
        What came of it, in the first process of a job; None in the others.

    Raises:
        WrnError: If the run cannot be had.
        RunStoppedError: If the run was told to stop.
    """
    run = Path(cfg.work_dir)
    with training.run_errors('train'), training.stop_on_sigterm():
        training.train(deepcopy(cfg))
        barrier()  # the first process writes the checkpoints
        best = str(training.ask_first(lambda: training.find_best(cfg)))
        cfg.update(load_from=best, resume=False, work_dir=str(run / 'test'))
        # mmengine gives what has one name one log
        cfg.experiment_name = f'{Path(cfg.filename).stem}_test'
        cfg.test_evaluator = add_metrics(cfg.test_evaluator, *REPORT_METRICS)
        results = training.test(cfg)
        return _leave(run, cfg, best, results, source) if is_main_process() else None


def _leave(run: Path, cfg: Config, best: str, results: Any, source: str) -> Finetuned:
    """Write weights and report, and remove what served to resume the run."""
    folder, name = run.parent, Path(cfg.filename).stem
    report = Report(results.metrics, results.classes)
    target = folder / training.REPORT
    target.mkdir(exist_ok=True)
    report.write(target)
    with write_atomically(target / 'curves.png') as file:
        draw_curves({name: read_log(str(run))}).savefig(file, format='png')
    weights = publish(best, f'{name}.pth', folder, source=source).path
    training.remove_checkpoints(run)
    return Finetuned(weights, report, target)
