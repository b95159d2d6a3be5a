"""``python -m wrn`` is ``wrn``."""

from wrn.cli import main

main()
