"""Find the checkpoint that a run goes on from."""

import logging
import os
import zipfile
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log

from wrn.errors import CheckpointError
from wrn.weights import read_checkpoint


def set_resume(cfg: Config) -> None:
    """Decide whether a run goes on, and from where.

    Args:
        cfg: The config. Its ``resume``, ``load_from`` and ``randomness.seed`` are set.

    Raises:
        CheckpointError: If the checkpoint is damaged.
    """
    work_dir = Path(cfg.work_dir)
    restarted = int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)) > 0
    searched = cfg.get('resume') and cfg.get('load_from') is None
    mark = work_dir / '.started'
    if restarted or searched:
        folders = [work_dir]
        hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
        if out_dir := hook.get('out_dir'):  # below which mmengine makes a folder for the run
            folders.append(Path(out_dir, work_dir.name))
        if (found := find_resumable(folders, None if searched else mark)) is not None:
            cfg.resume, cfg.load_from = True, found
        elif searched:
            print_log(f'{work_dir}: has no checkpoint to resume; starting anew', 'current')
            cfg.resume = False
    elif is_main_process():
        mark.touch()
    if cfg.get('resume') and '://' not in cfg.load_from:
        check_whole(cfg.load_from)
        seed = (read_checkpoint(cfg.load_from).get('meta') or {}).get('seed')
        if seed is not None:  # from which mmengine, too, goes on, but for the order of the pictures
            cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)


def find_resumable(folders: list[Path], after: Path | None = None) -> str | None:
    """Find the newest checkpoint of a run that is whole, and remove what was never finished.

    Args:
        folders: The folders that the run writes to.
        after: A file that must have been there before it. Defaults to None, any checkpoint.

    Returns:
        Its path, the same in each process of a job; None if the run has written none yet.

    Raises:
        CheckpointError: If there are some, and all are damaged.
    """
    found = [_find_resumable(folders, after) if is_main_process() else None]
    broadcast_object_list(found)
    if isinstance(found[0], CheckpointError):
        raise found[0]
    return found[0]


def _find_resumable(folders: list[Path], after: Path | None) -> str | CheckpointError | None:
    for unfinished in (path for folder in folders for path in folder.glob('.*.pth.*')):
        unfinished.unlink()
    if after and not after.exists():
        return None
    since = after.stat().st_mtime_ns if after else 0
    times = {path: path.stat().st_mtime_ns for folder in folders for path in folder.glob('*.pth')}
    paths = [p for p in times if times[p] >= since and not p.name.startswith('best_')]
    paths.sort(key=lambda path: (times[path], path.name), reverse=True)
    damaged: list[str] = []
    for path in paths:
        try:
            if _is_resumable(path):
                return str(path)
        except CheckpointError as error:
            damaged.append(str(error))
            print_log(f'{error}; taking the one before it', 'current', logging.WARNING)
    if damaged:
        return CheckpointError(
            f'{folders[0]}: has no checkpoint that is whole ({damaged[0]}); start anew without '
            '--resume'
        )
    return None


def _is_resumable(path: Path) -> bool:
    check_whole(path)
    checkpoint = read_checkpoint(path)
    return 'optimizer' in checkpoint and 'epoch' in (checkpoint.get('meta') or {})


def check_whole(path: str | Path) -> None:
    """Check the checksums of a checkpoint, which torch writes but does not read.

    Args:
        path: The file. Of one that is no zip archive nothing is checked.

    Raises:
        CheckpointError: If a checksum is wrong.
    """
    if not zipfile.is_zipfile(path):
        return  # reading tells of it, if it is of no other format
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as error:  # a damaged archive makes zipfile raise whatever it likes
        raise CheckpointError(f'{path}: the file is damaged ({error})') from error
    if broken:
        raise CheckpointError(f'{path}: the file is damaged (the checksum of {broken} is wrong)')
