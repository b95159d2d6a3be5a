"""Run the ``wrn`` command with ``python -m wrn``."""

from wrn.cli import run_and_exit

run_and_exit()
