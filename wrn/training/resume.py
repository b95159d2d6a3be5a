"""Find the checkpoint that a run goes on from."""

import logging
import os
import zipfile
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import all_gather_object, is_main_process
from mmengine.logging import print_log

from wrn.checkpoints import read_checkpoint
from wrn.training.launch import ask_first
from wrn.utils.errors import CheckpointError

START_MARK = '.started'  # in the folder of a run: when it was started anew


def is_restarted() -> bool:
    """Tell whether torchrun has started the processes of this job again, after one had failed.

    Returns:
        The same in each process, which must all ask.
    """
    # An agent does not count the restarts that failures on other nodes bring about.
    count = int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0))
    return any(all_gather_object(count))


def set_resume(cfg: Config) -> None:
    """Decide whether a run goes on, and from where.

    Args:
        cfg: The config, whose ``resume``, ``load_from`` and ``randomness.seed`` are set. If its
            ``resume`` is ``'auto'``, or True without ``load_from``, the newest checkpoint in
            ``work_dir`` is looked for; if there is none, the run starts as it would without.

    Raises:
        CheckpointError: If the checkpoint is damaged.
    """
    work_dir = Path(cfg.work_dir)
    restarted = is_restarted()
    resume = cfg.get('resume')
    searched = resume == 'auto' or (resume and cfg.get('load_from') is None)
    mark = work_dir / START_MARK
    found = seed = None
    if restarted or searched:
        folders = [work_dir]
        hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
        if out_dir := hook.get('out_dir'):  # below which mmengine makes a folder for the run
            folders.append(Path(out_dir, work_dir.name))
        found = ask_first(lambda: _find_resumable(folders, None if searched else mark))
        if found is not None:
            cfg.resume = True
            cfg.load_from, seed = found
        elif searched:
            print_log(f'{work_dir}: has no checkpoint to resume; starting anew', 'current')
            cfg.resume = False
    elif is_main_process():
        work_dir.mkdir(parents=True, exist_ok=True)
        mark.touch()
    if cfg.get('resume') and found is None and '://' not in cfg.load_from:
        seed = (read_whole(cfg.load_from).get('meta') or {}).get('seed')
    if seed is not None:  # from which mmengine, too, goes on, but for the order of the pictures
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)


def _find_resumable(folders: list[Path], after: Path | None) -> tuple[str, int | None] | None:
    """Find the newest checkpoint that is whole.

    Args:
        folders: Those that the run writes to. What was never finished in them is removed.
        after: A file that must have been there before it, or None for any checkpoint.

    Returns:
        Its path and the seed of its run; None if the run has written none yet.

    Raises:
        CheckpointError: If there are some, and all are damaged.
    """
    for unfinished in (path for folder in folders for path in folder.glob('.*.pth.*')):
        unfinished.unlink(missing_ok=True)
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
            print_log(f'{error}; taking the one before it', 'current', logging.WARNING)
            continue
        meta = checkpoint.get('meta') or {}
        if 'optimizer' in checkpoint and 'epoch' in meta:
            return str(path), meta.get('seed')
    if damaged:
        raise CheckpointError(
            f'{folders[0]}: has no checkpoint that is whole ({damaged[0]}); start anew without '
            '--resume'
        )
    return None


def read_whole(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint, and its checksums, which torch writes but does not read.

    Args:
        path: The file. If it is no zip archive, it has none.

    Returns:
        The content.

    Raises:
        CheckpointError: If it cannot be read, or a checksum is wrong.
    """
    broken = None
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
        except Exception as error:  # a damaged archive makes zipfile raise whatever it likes
            raise CheckpointError(f'{path}: the file is damaged ({error})') from error
    if broken:
        raise CheckpointError(f'{path}: the file is damaged (the checksum of {broken} is wrong)')
    return read_checkpoint(path)
