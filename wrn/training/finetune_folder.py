"""The folder of a fine-tuning: whose it is, and where its run has its checkpoints."""

import glob
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config

from wrn.config.config_file import read_config
from wrn.data.splitting import Splits
from wrn.training.launch import ask_first
from wrn.training.resume import START_MARK, is_restarted
from wrn.utils.errors import WrnError

REPORT = 'report'  # below the folder of the results
_RUN = 'run'  # there, too: where the run has its checkpoints and logs
_MARK = 'last_checkpoint'  # mmengine's: in the run's folder as long as it is not done


def claim_folder(
    cfg: Config, splits: Splits, skip_unreadable: bool = False
) -> tuple[Path | None, list[str]]:
    """Let a run write its checkpoints and logs below the folder of the results.

    The first process of a job decides, so all must call this.

    Args:
        cfg: The config. Its ``work_dir``, the folder of the results, which exists, becomes that of
            the run.
        splits: The pictures of the run, which are changed by ``skip_unreadable``.
        skip_unreadable: Whether to leave out pictures to validate and test with that cannot be
            read. Defaults to False.

    Returns:
        The file of weights, if the run is to be resumed and is done already, else None; and the
        paths of the pictures that were left out.

    Raises:
        WrnError: If there is a run that is not to be resumed, or that was another.
    """
    folder = Path(cfg.work_dir)
    cfg.work_dir = str(folder / _RUN)
    restarted = is_restarted()

    def decide() -> tuple[Path | None, list[str], dict | None]:
        dropped = splits.drop_unreadable() if skip_unreadable else []
        return _take(cfg, folder, splits, restarted), dropped, splits.pictures if dropped else None

    done, dropped, pictures = ask_first(decide)
    splits.pictures = pictures or splits.pictures
    return done, dropped


def _take(cfg: Config, folder: Path, splits: Splits, restarted: bool) -> Path | None:
    run = folder / _RUN
    mark = run / START_MARK
    unfinished = (run / _MARK).exists()
    done = max(folder.glob(f'{glob.escape(_name(cfg))}-????????.pth'), default=None)
    report = folder / REPORT
    result = done or (report if report.exists() else None)
    # A process of this job has started it, unless it was refused.
    if not cfg.get('resume') and not (restarted and mark.exists()):
        if unfinished or result:
            mark.unlink(missing_ok=True)
        if unfinished:
            raise WrnError(
                f'{run}: has the checkpoints of a run that was cut off; go on with --resume, or '
                'name another --work-dir'
            )
        if result:
            raise WrnError(
                f'{result}: is the result of another run; name another --work-dir, or move it away'
            )
    elif unfinished or result or any(run.glob('*.pth')):
        _check_same(cfg, run, splits)
        if done and not unfinished:
            remove_checkpoints(run)
            return done
    run.mkdir(exist_ok=True)
    return None


def _check_same(cfg: Config, run: Path, splits: Splits) -> None:
    """Check that the run to resume is that of a config."""
    if not splits.written_in(run.parent):
        raise WrnError(
            f'{run.parent}: the run to resume had other pictures, or another --seed or '
            '--skip-unreadable; give those again, or start anew in another --work-dir'
        )
    path = run / f'{_name(cfg)}.py'
    if not path.exists():
        raise WrnError(f'{run.parent}: has the run of another data folder; name another --work-dir')
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


def find_best(cfg: Config) -> Path:
    """Find the checkpoint of the epoch that was best, or of the last if none is validated.

    Args:
        cfg: The config of the run.

    Returns:
        The path of the checkpoint.
    """
    run = Path(cfg.work_dir)
    found = run.glob('best_*.pth') if cfg.val_cfg is not None else ()
    best = max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
    return best or Path((run / _MARK).read_text().strip())


def remove_checkpoints(run: Path) -> None:
    """Remove what served to resume a run that is done.

    Args:
        run: The folder of the run.
    """
    # The mark first: what is left without it is of a run that is done.
    for path in (run / _MARK, *run.glob('*.pth')):
        path.unlink(missing_ok=True)


def _name(cfg: Config) -> str:
    return Path(cfg.filename).stem
