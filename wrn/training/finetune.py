"""Fine-tune a model, test it, and write its weights and a report."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process

from wrn import training
from wrn.checkpoints.publish import publish
from wrn.training.evaluation import REPORT_METRICS, Report, add_metrics
from wrn.training.evaluation.curves import draw_curves, read_log
from wrn.utils.files import write_atomically


@dataclass
class Finetuned:
    """The results of a fine-tuning run.

    Attributes:
        weights: The weights file.
        report: The test results.
        folder: The folder of the report.
    """

    weights: Path
    report: Report
    folder: Path


def finetune(cfg: Config, provenance: str) -> Finetuned | None:
    """Train, test the best epoch, and write its weights and a report.

    Args:
        cfg: A config made by :func:`wrn.training.finetune_config`, of which
            :func:`wrn.training.claim_folder` has set the work folder.
        provenance: Where the weights come from, to be recorded in their file.

    Returns:
        The results in the main process; None in the other processes of a distributed job.

    Raises:
        WrnError: If the run fails.
        RunStoppedError: If the run was asked to stop.
    """
    run, name = Path(cfg.work_dir), Path(cfg.filename).stem
    with training.run_errors('train'), training.stop_on_sigterm():
        training.train(deepcopy(cfg))
        barrier()  # the main process writes the checkpoints
        best = str(training.ask_first(lambda: training.find_best(cfg)))
        cfg.update(load_from=best, resume=False, work_dir=str(run / 'test'))
        cfg.experiment_name = f'{name}_test'  # mmengine shares one log between equal names
        cfg.test_evaluator = add_metrics(cfg.test_evaluator, *REPORT_METRICS)
        results = training.test(cfg)
        if not is_main_process():
            return None
        report = Report(results.metrics, results.classes)
        folder = run.parent / training.REPORT
        folder.mkdir(exist_ok=True)
        report.write(folder)
        with write_atomically(folder / 'curves.png') as file:
            draw_curves({name: read_log(str(run))}).savefig(file, format='png')
        weights = publish(best, f'{name}.pth', run.parent, source=provenance).path
        training.remove_checkpoints(run)
        return Finetuned(weights, report, folder)
