"""torchrun, but that a job which a signal stopped says so by its exit code, without a traceback.

SIGTERM gives 75 (``EX_TEMPFAIL``): queue the job again. Another signal gives 128 and its number.
"""

import os
import signal
import sys

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.run import main

if __name__ == '__main__':
    try:
        main()
    except SignalException as stopped:
        sys.exit(os.EX_TEMPFAIL if stopped.sigval == signal.SIGTERM else 128 + stopped.sigval)
