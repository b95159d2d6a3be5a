"""Find the checkpoint that a run resumes from."""

import logging
import os
import zipfile
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import all_gather_object, is_main_process

from wrn.checkpoints import read_checkpoint
from wrn.training.launch import ask_first
from wrn.training.run_files import START_MARK, find_checkpoints
from wrn.utils.existing import check_free
from wrn.utils.scratch import remove_scratch
from wrn_base.errors import CheckpointError, WrnError

_logger = logging.getLogger('wrn')


def is_restarted() -> bool:
    """Return whether torchrun has restarted the processes of this job after a failure.

    All processes must call this, and get the same answer.
    """
    # An agent does not count restarts that are due to failures on other nodes.
    count = int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0))
    return any(all_gather_object(count))


def set_resume(cfg: Config, overwrite: bool = False) -> list[Path]:
    """Decide whether to resume a run, and from which checkpoint.

    If ``resume`` is ``'auto'``, or is True without ``load_from``, the run resumes from the newest
    intact checkpoint in ``work_dir``. If there is none, it starts as if ``resume`` were False.

    Args:
        cfg: The config. Its ``resume``, ``load_from`` and ``randomness.seed`` are set.
        overwrite: Whether a new run may replace the checkpoints of another. Defaults to False.

    Returns:
        The files that a new run replaces.

    Raises:
        CheckpointError: If the checkpoint, or every checkpoint found, is damaged.
        WrnError: If its run had another seed, or a new run must not replace checkpoints.
    """
    work_dir = Path(cfg.work_dir)
    mark = work_dir / START_MARK
    restarted = is_restarted() and ask_first(mark.exists)  # a run that was refused has no mark
    resume = cfg.get('resume')
    searched = resume == 'auto' or (resume and cfg.get('load_from') is None)
    found = seed = None
    folders = [work_dir]
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if out_dir := hook.get('out_dir'):  # mmengine makes a folder for the run in it
        folders.append(Path(out_dir, work_dir.name))
    if restarted or searched:
        found = ask_first(lambda: _find_resumable(folders, None if searched else mark))
        if found is not None:
            cfg.resume = True
            cfg.load_from, seed = found
        elif searched:
            if is_main_process():
                _logger.info('%s: no checkpoint to resume from; starting a new run', work_dir)
            cfg.resume = False
    else:
        if not resume and not overwrite:
            ask_first(lambda: _check_unused(cfg, folders, mark))
        if is_main_process():
            work_dir.mkdir(parents=True, exist_ok=True)
            mark.touch()
    if cfg.get('resume') and found is None and '://' not in cfg.load_from:
        seed = (read_whole(cfg.load_from).get('meta') or {}).get('seed')
    own = (cfg.get('randomness') or {}).get('seed')
    if None not in (own, seed) and own != seed:
        raise WrnError(
            f'randomness.seed={own}: {cfg.load_from} was trained with {seed}, which the order of '
            'the images depends on; leave it, or start a new run in another --work-dir'
        )
    if seed is not None:  # mmengine restores it too, but too late for the order of the images
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
    return [] if cfg.get('resume') or not overwrite else _find_written(cfg, folders)


def _check_unused(cfg: Config, folders: list[Path], mark: Path) -> None:
    """Refuse to replace the checkpoints of another run."""
    if found := _find_written(cfg, folders):
        mark.unlink(missing_ok=True)  # so that processes restarted by torchrun do not resume it
        check_free(found[0], resumable=True)


def _find_written(cfg: Config, folders: list[Path]) -> list[Path]:
    """Return the checkpoints in the folders of a run."""
    return [path for folder in folders for path in find_checkpoints(folder, cfg)]


def _find_resumable(folders: list[Path], after: Path | None) -> tuple[str, int | None] | None:
    """Find the newest intact checkpoint of a run.

    Args:
        folders: The folders that the run writes checkpoints to. Temporary files in them are
            removed.
        after: A file that must be older than the checkpoint; None for any checkpoint.

    Returns:
        The path of the checkpoint and the seed of its run; None if there is no checkpoint.

    Raises:
        CheckpointError: If all checkpoints are damaged.
    """
    for folder in folders:
        remove_scratch(folder)
    if after and not after.exists():
        return None
    since = after.stat().st_mtime_ns if after else 0
    times = {path: path.stat().st_mtime_ns for folder in folders for path in folder.glob('*.pth')}
    paths = [p for p in times if times[p] >= since and not p.name.startswith('best_')]
    paths.sort(key=lambda path: (times[path], path.name), reverse=True)
    damaged: list[str] = []
    for path in paths:
        try:
            checkpoint = read_whole(path)
        except CheckpointError as error:
            damaged.append(str(error))
            _logger.warning('%s; trying the previous one', error)
            continue
        meta = checkpoint.get('meta') or {}
        if 'optimizer' in checkpoint and 'epoch' in meta:
            return str(path), meta.get('seed')
    if damaged:
        raise CheckpointError(
            f'{folders[0]}: has no intact checkpoint ({damaged[0]}); start again without --resume'
        )
    return None


def read_whole(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint after verifying its checksums, which torch writes but never verifies.

    Args:
        path: The file. One that is not a zip archive has no checksums.

    Returns:
        The content of the checkpoint.

    Raises:
        CheckpointError: If the file cannot be read, or a checksum is wrong.
    """
    if Path(path).is_file() and zipfile.is_zipfile(path):  # read_checkpoint refuses other paths
        try:
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
        except Exception as error:  # zipfile raises errors of any type at a damaged archive
            raise CheckpointError(
                f'{path}: the file is damaged ({error}); resume from an earlier checkpoint'
            ) from error
        if broken:
            raise CheckpointError(
                f'{path}: the file is damaged (checksum of {broken} is wrong); resume from an '
                'earlier checkpoint'
            )
    return read_checkpoint(path)
