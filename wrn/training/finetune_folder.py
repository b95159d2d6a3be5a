"""The folder of a fine-tuning run: check what it holds, and manage the checkpoints in it."""

import glob
from copy import deepcopy
from pathlib import Path

from mmengine.config import Config

from wrn.config.config_file import read_config
from wrn.config.config_parts import get_test_dataset
from wrn.data.splitting import Splits
from wrn.training.launch import ask_first
from wrn.training.resume import START_MARK, is_restarted
from wrn_base.errors import WrnError

REPORT = 'report'  # in the results folder
_RUN = 'run'  # in the results folder: the checkpoints and logs of the run
_MARK = 'last_checkpoint'  # in the run folder: mmengine's; deleted when the run is complete


def claim_folder(
    cfg: Config, splits: Splits, skip_unreadable: bool = False
) -> tuple[Path | None, list[str]]:
    """Check that a run may write to its results folder, and make the folder of its checkpoints.

    All processes of a distributed job must call this; the main process decides.

    Args:
        cfg: The config. Its ``work_dir`` is the results folder, which must exist; it is changed to
            the run folder below it.
        splits: The images of the run, which ``skip_unreadable`` changes.
        skip_unreadable: Whether to leave out validation and test images that cannot be read.
            Defaults to False.

    Returns:
        The weights file if the run to resume is already complete, else None; and the paths of the
        images that were left out.

    Raises:
        WrnError: If the folder has a run that is not to be resumed, or that differs from this one.
    """
    cfg.work_dir = str(Path(cfg.work_dir, _RUN))
    restarted = is_restarted()
    dropped: list[str] = []
    if skip_unreadable:
        dropped, splits.images = ask_first(lambda: (splits.drop_unreadable(), splits.images))
    return ask_first(lambda: _claim(cfg, splits, restarted)), dropped


def _claim(cfg: Config, splits: Splits, restarted: bool) -> Path | None:
    run = Path(cfg.work_dir)
    folder, report, started = run.parent, run.parent / REPORT, run / START_MARK
    unfinished = (run / _MARK).exists()
    name = glob.escape(Path(cfg.filename).stem)
    done = max(folder.glob(f'{name}-????????.pth'), default=None)
    result = done or (report if report.exists() else None)
    # The start mark shows that this job started the run, and was not refused.
    if cfg.get('resume') or (restarted and started.exists()):
        if unfinished or result or any(run.glob('*.pth')):
            _check_same(cfg, run, splits)
            if done and not unfinished:
                remove_checkpoints(run)
                return done
    elif unfinished or result:
        started.unlink(missing_ok=True)  # so that processes restarted by torchrun do not resume
        if unfinished:
            raise WrnError(f'{run}: has an unfinished run; add --resume, or use another --work-dir')
        raise WrnError(f'{result}: is from another run; move it, or use another --work-dir')
    run.mkdir(exist_ok=True)
    return None


def _check_same(cfg: Config, run: Path, splits: Splits) -> None:
    """Check that the run to resume had the same images, model and schedule."""
    path = run / cfg.filename
    if not path.exists():
        raise WrnError(f'{run.parent}: has a run of another data folder; use another --work-dir')
    before = read_config(path)
    models = [deepcopy(config.model) for config in (cfg, before)]
    for model in models:
        model.backbone.pop('channels_last', None)  # may change when a run is resumed
    for option, value in models[1].backbone.items():
        models[0].backbone.setdefault(option, value)  # the file of the first weights may add some
    for what, same in (
        ('images, --seed or --skip-unreadable', splits.written_in(run.parent)),
        ('--head-only or --views', cfg.get('head_only') == before.get('head_only')),
        ('--epochs', cfg.train_cfg.max_epochs == before.train_cfg.max_epochs),
        ('--model or --freeze', models[0] == models[1]),
        ('--bit-depth', get_test_dataset(cfg).pipeline == get_test_dataset(before).pipeline),
    ):
        if not same:
            raise WrnError(
                f'{run.parent}: the run to resume had different {what}; use the same again, or '
                'another --work-dir'
            )


def find_best(cfg: Config) -> Path:
    """Return the checkpoint of the best epoch, or of the last epoch in a run without validation.

    Args:
        cfg: The config of the run.
    """
    run = Path(cfg.work_dir)
    found = run.glob('best_*.pth') if cfg.val_cfg is not None else ()
    best = max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
    return best or Path((run / _MARK).read_text().strip())


def remove_checkpoints(run: Path) -> None:
    """Remove the checkpoints of a complete run, which are no longer needed to resume it.

    Args:
        run: The run folder.
    """
    # The mark goes first: without it, the run counts as complete.
    for path in (run / _MARK, *run.glob('*.pth')):
        path.unlink(missing_ok=True)
