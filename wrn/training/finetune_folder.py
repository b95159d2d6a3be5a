"""The folder of a fine-tuning run: check what it holds, and manage the checkpoints in it."""

import logging
import shlex
from copy import deepcopy
from pathlib import Path

from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmpretrain.registry import TRANSFORMS

from wrn.config.config_file import read_config
from wrn.config.config_parts import find_class, get_test_dataset
from wrn.data.early_check import check_early
from wrn.data.images import LoadImage
from wrn.data.splitting import Splits
from wrn.training.finetune_results import (
    FINE_TUNING,
    RUN,
    WRITING,
    find_replaced,
    find_results,
    find_weights,
    name_used,
)
from wrn.training.launch import ask_first
from wrn.training.patience import is_early_stopping
from wrn.training.resume import is_restarted
from wrn.training.run_files import (
    LAST,
    START_MARK,
    find_checkpoints,
    find_last,
    remove_files,
)
from wrn.utils.existing import check_free
from wrn_base.errors import WrnError, count
from wrn_base.run_progress import SILENT, RunProgress

_logger = logging.getLogger('wrn')


def claim_folder(
    cfg: Config, splits: Splits, skip_unreadable: bool = False, overwrite: bool = False
) -> tuple[Path | None, list[str]]:
    """Check that a run may write to its results folder, and make the folder of its checkpoints.

    All processes of a distributed job must call this; the main process decides.

    Args:
        cfg: The config. Its ``work_dir`` is the results folder, which must exist; it is changed to
            the run folder below it.
        splits: The images of the run, which ``skip_unreadable`` changes.
        skip_unreadable: Whether to leave out validation and test images that cannot be read.
            Defaults to False.
        overwrite: Whether the run may replace another one and its results. Defaults to False.

    Returns:
        The weights file if the run to resume is already complete, else None; and the paths of the
        images that were left out.

    Raises:
        WrnError: If the folder has a run that is not to be resumed, or that differs from this one.
    """
    cfg.work_dir = str(Path(cfg.work_dir, RUN))
    restarted = is_restarted()
    dropped: list[str] = []
    if skip_unreadable:
        dropped, splits.images = ask_first(lambda: (splits.drop_unreadable(), splits.images))
    return ask_first(lambda: _claim(cfg, splits, restarted, overwrite)), dropped


def _claim(cfg: Config, splits: Splits, restarted: bool, overwrite: bool) -> Path | None:
    run, name = Path(cfg.work_dir), Path(cfg.filename).stem
    folder, started = run.parent, run / START_MARK
    unfinished = (run / LAST).exists()
    interrupted = bool(cfg.get('head_only')) and (run / WRITING).exists()
    # The start mark shows that this job started the run, and was not refused.
    continues = (restarted and started.exists()) or interrupted
    resumes = cfg.get('resume') or (continues and not overwrite)
    if resumes and (find_checkpoints(run, cfg) or find_results(folder, name)):
        _check_same(cfg, run, splits)
        done = find_weights(folder, name)
        if done and not (unfinished or interrupted):
            remove_checkpoints(run, cfg)
            return done[0]
    elif not overwrite:
        used = [run] if unfinished else find_replaced(cfg)
        if not (run / FINE_TUNING).exists():  # else these files are of a run that failed early
            used += splits.find_different(folder)
        if used:
            started.unlink(missing_ok=True)  # so that processes restarted by torchrun do not resume
        for path in used:
            check_free(name_used(path), resumable=unfinished)
    run.mkdir(exist_ok=True)
    (run / FINE_TUNING).touch()
    return None


def check_images(cfg: Config, splits: Splits, progress: RunProgress = SILENT) -> None:
    """Check that images can be read, before the first step.

    All processes of a distributed job must call this; the main process checks. If the config reads
    images by a step that is not ours or mmcv's, which may know other formats, nothing is checked.

    Args:
        cfg: The config.
        splits: The images. Those of validation and test are checked first, since a run reads them
            last.
        progress: Receives the number of images that are checked. Defaults to nobody.

    Raises:
        WrnError: If an image cannot be read.
    """
    kind = find_class(TRANSFORMS, get_test_dataset(cfg).pipeline[0].get('type'))
    if kind in (LoadImageFromFile, LoadImage):
        ask_first(lambda: _check_images(splits, progress))


def _check_images(splits: Splits, progress: RunProgress) -> None:
    names = [path for split in ('val', 'test', 'train') for path, _ in splits.images[split]]
    paths = [str(splits.folder / name) for name in dict.fromkeys(names)]
    total = len(paths)
    found = check_early(paths, lambda done: progress.phase(f'checking image {done} of {total}'))
    if found.damaged:
        (path, reason), *others = found.damaged.items()
        more = f'{count(len(others), "other")} cannot either' if others else ''
        raise WrnError(
            f'{path}: the image cannot be read ({reason}){"; " if more else ""}{more}; remove or '
            f'replace {"them" if more else "it"}, or add --skip-unreadable; `wrn check-data '
            f'{shlex.quote(str(splits.folder))}` lists all such images'
        )
    if found.decoded < total:
        _logger.info(
            '%s: %s decoded; of the other %d only the headers were checked; `wrn check-data` '
            'checks all',
            splits.folder,
            count(found.decoded, 'image'),
            total - found.decoded,
        )


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
    losses = [model.head.pop('loss', None) for model in models]
    rates = [config.optim_wrapper.optimizer.get('lr') for config in (cfg, before)]
    stops = [_find_patience(config) for config in (cfg, before)]
    for what, same in (
        ('images, --seed, --groups or --skip-unreadable', not splits.find_different(run.parent)),
        ('--head-only or --views', cfg.get('head_only') == before.get('head_only')),
        ('--epochs', cfg.train_cfg.max_epochs == before.train_cfg.max_epochs),
        ('--lr', rates[0] == rates[1]),
        ('--patience', stops[0] == stops[1]),
        ('--balance or model.head.loss', losses[0] == losses[1]),
        ('--model or --freeze', models[0] == models[1]),
        ('--bit-depth', get_test_dataset(cfg).pipeline == get_test_dataset(before).pipeline),
    ):
        if not same:
            raise WrnError(
                f'{run.parent}: the run to resume had different {what}; use the same again, or '
                'another --work-dir'
            )


def _find_patience(cfg: Config) -> list[int]:
    hooks = filter(is_early_stopping, cfg.get('custom_hooks') or ())
    return [hook.get('patience', 0) for hook in hooks]


def find_best(cfg: Config) -> Path:
    """Return the checkpoint of the best epoch, or of the last epoch in a run without validation.

    Args:
        cfg: The config of the run.

    Raises:
        WrnError: If there is none.
    """
    run = Path(cfg.work_dir)
    found = [path for path in find_checkpoints(run, cfg) if path.name.startswith('best_')]
    best = max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
    chosen = best if best and cfg.val_cfg is not None else find_last(run)
    if chosen is None:
        raise WrnError(f'{run}: has no checkpoint to test; leave default_hooks.checkpoint on')
    return chosen


def remove_checkpoints(run: Path, cfg: Config) -> None:
    """Remove the checkpoints of a complete run, which are no longer needed to resume it.

    Args:
        run: The run folder.
        cfg: The config of the run.
    """
    # Without the name of the last checkpoint, the run counts as complete, so it goes first.
    remove_files([run / LAST, *find_checkpoints(run, cfg)])
