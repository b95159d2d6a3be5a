"""What a training run leaves."""

from dataclasses import dataclass
from pathlib import Path

from mmengine.runner import Runner

from wrn.training.main_metric import MainMetric
from wrn.training.run_files import find_last, locate


@dataclass(frozen=True)
class Trained:
    """The results of a training run.

    Attributes:
        folder: The folder of its checkpoints and logs.
        last: The last checkpoint. None if none was written.
        best: The checkpoint with the best validation. None without ``save_best`` in the config.
        metric: The metric that the run is judged by, of its last validation. None without
            validation.
        images: The number of validation images.
        config: The config of the run, with all options applied.
        log: The log file.
    """

    folder: Path
    last: Path | None
    best: Path | None
    metric: MainMetric | None
    images: int
    config: Path
    log: Path

    @property
    def best_score(self) -> float | None:
        """The metric of the best validation. None if it is not known which is best."""
        return self.metric.best if self.metric else None


def describe_result(runner: Runner, metric: MainMetric | None) -> Trained:
    """Return what a run has left.

    Args:
        runner: The runner, after training.
        metric: The metric of its last validation.
    """
    folder, hub = Path(runner.work_dir), runner.message_hub
    # With several keys in save_best, each has a name of its own.
    names = ('best_ckpt', f'best_ckpt_{metric.key}' if metric else '')
    best = next((path for name in names if (path := hub.get_info(name))), None)
    return Trained(
        folder,
        last=find_last(folder),
        best=locate(best, folder) if best else None,
        metric=metric,
        images=len(runner.val_dataloader.dataset) if runner.val_loop is not None else 0,
        config=folder / Path(runner.cfg.filename or f'{runner.timestamp}.py').name,
        log=Path(runner.logger.log_file),
    )
