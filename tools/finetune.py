"""Run ``wrn finetune``; ``dist_finetune.sh`` calls this."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from wrn_base.cli import main

if __name__ == '__main__':
    main(['finetune', *sys.argv[1:]])
