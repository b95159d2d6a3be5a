"""Fine-tune a model, test it, and leave its weights and a report."""

import glob
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier, broadcast_object_list, is_main_process

from wrn import training
from wrn.config import read_config
from wrn.datasets.splitting import Splits
from wrn.errors import WrnError
from wrn.evaluation import REPORT_METRICS, Report, add_metrics
from wrn.evaluation.curves import draw_curves, read_log
from wrn.files import write_atomically
from wrn.publishing import publish

_RUN = 'run'  # below the folder of the results: where the run has its checkpoints and logs
_MARK = 'last_checkpoint'  # mmengine's: in the run's folder as long as it is not done


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


def set_folder(cfg: Config, folder: str | Path, splits: Splits) -> Path | None:
    """Let a run write its checkpoints and logs below the folder of the results.

    Args:
        cfg: The config, whose ``work_dir`` is set.
        folder: The folder of the results, which exists.
        splits: The pictures of the run.

    Returns:
        The file of weights, if the run is to be resumed and is done already; else None.

    Raises:
        WrnError: If there is a run that is not to be resumed, or that was another.
    """
    run = Path(folder, _RUN)
    cfg.work_dir = str(run)
    unfinished = (run / _MARK).exists()
    done = max(Path(folder).glob(f'{glob.escape(_name(cfg))}-*.pth'), default=None)
    if not cfg.get('resume'):
        if unfinished:
            raise WrnError(
                f'{run}: has the checkpoints of a run that was cut off; go on with --resume, or '
                'name another --work-dir'
            )
        if done:
            raise WrnError(
                f'{done}: is the result of another run; name another --work-dir, or move it away'
            )
    elif unfinished or done:
        _check_same(cfg, run, splits)
        if not unfinished:
            _remove_checkpoints(run)
            return done
    run.mkdir(exist_ok=True)
    return None


def _check_same(cfg: Config, run: Path, splits: Splits) -> None:
    """Check that the run to resume is that of a config."""
    if not splits.written_in(run.parent):
        raise WrnError(
            f'{run.parent}: the run to resume had other pictures, or another --seed; give those '
            'again, or start anew in another --work-dir'
        )
    path = run / f'{_name(cfg)}.py'
    if not path.exists():
        return
    before = read_config(path)
    models = [deepcopy(config.model) for config in (cfg, before)]
    for model in models:
        model.backbone.pop('channels_last', None)  # which a run may go on without
    for option, same in (
        ('--epochs', cfg.train_cfg.max_epochs == before.train_cfg.max_epochs),
        ('--model or --freeze', models[0] == models[1]),
    ):
        if not same:
            raise WrnError(
                f'{run.parent}: the run to resume had another {option}; give that again, or start '
                'anew in another --work-dir'
            )


def _name(cfg: Config) -> str:
    return Path(cfg.filename).stem


def finetune(cfg: Config, source: str) -> Finetuned | None:
    """Train, test the epoch that was best, and leave its weights and a report.

    Args:
        cfg: The config, of :func:`wrn.training.finetune_config` and :func:`set_folder`.
        source: What to say in the file of where the weights are from.

    Returns:
        What came of it, in the first process of a job; None in the others.

    Raises:
        WrnError: If the run cannot be had.
        RunStoppedError: If the run was told to stop.
    """
    folder = Path(cfg.work_dir).parent
    training.train(deepcopy(cfg))
    barrier()  # the first process writes the checkpoints
    found = [str(_find_best(cfg)) if is_main_process() else None]
    broadcast_object_list(found)
    best = str(found[0])
    cfg.update(load_from=best, resume=False, work_dir=str(Path(cfg.work_dir, 'test')))
    cfg.experiment_name = f'{_name(cfg)}_test'  # mmengine gives what has one name one log
    cfg.test_evaluator = add_metrics(cfg.test_evaluator, *REPORT_METRICS)
    with training.ending_at_sigterm(f'{folder}: the training is done, the test is not'):
        results = training.test(cfg)
        done = _leave(folder, cfg, best, results, source) if is_main_process() else None
        barrier()
    return done


def _find_best(cfg: Config) -> Path | str:
    """Find the checkpoint of the epoch that was best, or of the last if none is validated."""
    run = Path(cfg.work_dir)
    found = run.glob('best_*.pth') if cfg.val_cfg is not None else ()
    best = max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
    return best or (run / _MARK).read_text().strip()


def _remove_checkpoints(run: Path) -> None:
    # The mark first: what is left without it is of no run to resume.
    for path in (run / _MARK, *run.glob('*.pth')):
        path.unlink(missing_ok=True)


def _leave(folder: Path, cfg: Config, best: str, results: Any, source: str) -> Finetuned:
    """Write weights and report, and remove what served to resume the run."""
    name = _name(cfg)
    report = Report(results.metrics, results.classes)
    target = folder / 'report'
    target.mkdir(exist_ok=True)
    report.write(target)
    with write_atomically(target / 'curves.png') as file:
        draw_curves({name: read_log(str(folder / _RUN))}).savefig(file, format='png')
    weights = publish(best, f'{name}.pth', folder, source=source).path
    _remove_checkpoints(folder / _RUN)
    return Finetuned(weights, report, target)
