"""Run ``wrn convert`` from the path that OpenMMLab's projects use."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from wrn_base.cli import main

if __name__ == '__main__':
    main(['convert', *sys.argv[1:]])
