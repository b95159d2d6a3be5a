"""The folder of what this package keeps between runs."""

import os
from pathlib import Path

HOME = 'WRN_HOME'


def find_home() -> Path:
    """Return the folder, which need not exist.

    It is ``WRN_HOME`` in the environment, or ``wrn`` in ``XDG_CACHE_HOME``, or ``~/.cache/wrn``.
    """
    if home := os.environ.get(HOME):
        return Path(home).expanduser()
    return Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache').expanduser() / 'wrn'
