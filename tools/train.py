"""Run ``wrn train`` from the path that OpenMMLab's projects use."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from wrn_base.cli import main

if __name__ == '__main__':
    main(['train', *sys.argv[1:]])
