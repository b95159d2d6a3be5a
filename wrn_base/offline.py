"""Find out whether the environment disables downloads."""

import os

OFFLINE = ('WRN_OFFLINE', 'HF_HUB_OFFLINE')
"""The variables that disable downloads."""


def is_offline() -> bool:
    """Return whether the environment disables downloads, for instance with ``WRN_OFFLINE=1``."""
    return any(os.environ.get(name, '').lower() not in ('', '0', 'false') for name in OFFLINE)
