"""What a training run leaves."""

from dataclasses import dataclass
from pathlib import Path

from mmengine.runner import Runner

from wrn.training.main_metric import MainMetric


@dataclass(frozen=True)
class TrainResult:
    """What a training run leaves.

    Attributes:
        checkpoint: The best checkpoint if the config has ``save_best``, else the last one; None if
            the run wrote none.
        is_best: Whether it is the best one, by validation.
        metric: The metric of the last validation; None if there was none.
        images: The number of validation images.
        config: The config of the run, with all options applied.
        log: The log file.
    """

    checkpoint: Path | None
    is_best: bool
    metric: MainMetric | None
    images: int
    config: Path
    log: Path


def describe_result(runner: Runner, metric: MainMetric | None) -> TrainResult:
    """Return what a run has left.

    Args:
        runner: The runner, after training.
        metric: The metric of its last validation.
    """
    folder, hub = Path(runner.work_dir), runner.message_hub
    # With several keys in save_best, each has a name of its own.
    names = ('best_ckpt', f'best_ckpt_{metric.key}' if metric else '')
    best = next((path for name in names if (path := hub.get_info(name))), None)
    last = folder / 'last_checkpoint'
    path = best or (last.read_text().strip() if last.is_file() else None)
    return TrainResult(
        checkpoint=Path(path) if path else None,
        is_best=bool(best),
        metric=metric,
        images=len(runner.val_dataloader.dataset) if runner.val_loop is not None else 0,
        config=folder / Path(runner.cfg.filename or f'{runner.timestamp}.py').name,
        log=Path(runner.logger.log_file),
    )
