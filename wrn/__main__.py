"""``python -m wrn`` is ``wrn``."""

from wrn.cli import run_and_exit

run_and_exit()
