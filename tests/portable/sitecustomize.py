"""Take what is missing on Windows or macOS from this Linux, for this process and all that it starts.

Python imports this module first if its folder is in ``PYTHONPATH``. ``SIMULATED_SYSTEM`` is
``windows`` or ``macos``. docs/systems.md says what this shows and what it does not.
"""

import os

SYSTEM = os.environ.get('SIMULATED_SYSTEM', '')

if SYSTEM:
    import missing_names
    import refusals

    missing_names.hide(SYSTEM)
    refusals.spawn_processes(SYSTEM)
    if SYSTEM == 'windows':
        refusals.refuse()
