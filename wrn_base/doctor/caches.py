"""Find the caches of this package and of the libraries that it uses, and measure them."""

import getpass
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wrn_base.doctor.finding import Finding
from wrn_base.doctor.machine import format_size
from wrn_base.errors import count
from wrn_base.home import HOME, find_home


def find_caches() -> dict[str, tuple[Path, str]]:
    """Return the folder of each cache, and the variable that names another, by what is in it.

    The folders are those of torch, of the Hugging Face hub, of torch's compiler and of the features
    that ``wrn finetune --head-only`` computes. None of these is imported: that takes seconds, and
    may fail.
    """
    home = Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache').expanduser()
    torch = Path(os.environ.get('TORCH_HOME') or home / 'torch').expanduser()
    hub = Path(os.environ.get('HF_HOME') or home / 'huggingface').expanduser()
    hub = Path(os.environ.get('HF_HUB_CACHE') or hub / 'hub').expanduser()
    compiled = os.environ.get('TORCHINDUCTOR_CACHE_DIR')
    compiled = compiled or os.path.join(tempfile.gettempdir(), f'torchinductor_{_user()}')
    return {
        'weights': (torch / 'hub' / 'checkpoints', 'TORCH_HOME'),
        'weights of the hub': (hub, 'HF_HOME'),
        'compiled networks': (Path(compiled), 'TORCHINDUCTOR_CACHE_DIR'),
        'features': (find_home() / 'features', HOME),
    }


def check_caches() -> Iterator[Finding]:
    """Yield the size of each cache, and whether it can be written to."""
    for name, (folder, variable) in find_caches().items():
        size, files = _measure(folder)
        value = f'{format_size(size)} in {count(files, "file")}' if files else 'empty'
        value += f', {folder}'
        if _is_writable(folder):
            yield Finding('caches', name, value)
            continue
        yield Finding(
            'caches',
            name,
            value,
            'warning',
            'cannot be written to',
            f'set {variable} to a folder that can',
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):  # a container may run as a user without a name
        return f'uid_{os.getuid()}' if hasattr(os, 'getuid') else 'unknown_user'


def _measure(folder: Path) -> tuple[int, int]:
    """Return the size and the number of the files below a folder. Links are not followed."""
    size = files = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(parent, name)).st_size
            except OSError:  # removed by another process
                continue
            files += 1
    return size, files


def _is_writable(folder: Path) -> bool:
    """Return whether files can be made in a folder, which need not exist."""
    existing = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
