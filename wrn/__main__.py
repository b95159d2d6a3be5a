"""Run the ``wrn`` command with ``python -m wrn``, as torchrun does."""

from wrn_base.cli import run_and_exit

run_and_exit()
