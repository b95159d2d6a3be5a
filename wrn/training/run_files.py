"""The files that a run writes, by name: a new run deletes or replaces no others."""

import contextlib
import locale
import os
import re
from collections.abc import Iterable
from pathlib import Path

from mmengine.config import Config

_TEMPLATES = ('epoch_{}.pth', 'iter_{}.pth')  # mmengine's
LAST = 'last_checkpoint'  # in a run folder; mmengine writes the path of a checkpoint to it
STOPPED = 'stopped.pth'  # the checkpoint of a run that got SIGTERM
START_MARK = '.started'  # in a run folder; its mtime is when the run last started from scratch


def find_checkpoints(folder: Path, cfg: Config) -> list[Path]:
    """Return the checkpoints of a run and the file that names the last one, by name.

    Args:
        folder: The folder that the run writes checkpoints to. It need not exist.
        cfg: A config, which may have a ``filename_tmpl`` of its own for checkpoints.
    """
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    names = '|'.join(map(_make_pattern, {*_TEMPLATES, hook.get('filename_tmpl') or _TEMPLATES[0]}))
    pattern = re.compile(f'(best_.+_)?({names})|{re.escape(STOPPED)}|{LAST}')
    return sorted(p for p in folder.glob('*') if pattern.fullmatch(p.name) and p.is_file())


def _make_pattern(template: str) -> str:
    """Return the pattern of the names that a template gives, also if ``published_keys`` is set."""
    stem, suffix = os.path.splitext(template)
    step = r'\d+'.join(map(re.escape, re.split(r'\{[^{}]*\}', stem)))
    return rf'{step}(-[0-9a-f]{{8}})?{re.escape(suffix)}'


def find_last(folder: Path) -> Path | None:
    """Return the last checkpoint of a run. None if none is named.

    Args:
        folder: The run folder.
    """
    mark = folder / LAST
    content = mark.read_bytes() if mark.is_file() else b''
    try:
        named = content.decode().strip()
    except UnicodeDecodeError:  # mmengine writes in the system's encoding
        named = content.decode(locale.getpreferredencoding(False), errors='replace').strip()
    return locate(named, folder) if named else None  # empty while mmengine writes it


def locate(path: str, folder: Path) -> Path:
    """Return where a checkpoint is, which mmengine has noted with the path that it had.

    Args:
        path: That path. It is wrong if the run folder was moved since, or is another's if copied.
        folder: The run folder.
    """
    return here if (here := folder / Path(path).name).is_file() else Path(path)


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files, and folders that are empty by then; folders with other files stay.

    Args:
        paths: The files and folders. They need not exist.
    """
    for path in paths:
        if path.is_dir():
            with contextlib.suppress(OSError):
                path.rmdir()
        else:
            path.unlink(missing_ok=True)
