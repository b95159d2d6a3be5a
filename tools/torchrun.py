"""torchrun, but that it says by its exit code, without a traceback, what ended a job.

SIGTERM gives 75 (``EX_TEMPFAIL``): queue the job again. Another signal, to torchrun or a process,
gives 128 and its number, and a process that fails its own exit code.
"""

import os
import signal
import sys

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

if __name__ == '__main__':
    try:
        main()
    except SignalException as stopped:
        sys.exit(os.EX_TEMPFAIL if stopped.sigval == signal.SIGTERM else 128 + stopped.sigval)
    except ChildFailedError as failed:  # which has said why
        code = failed.get_first_failure()[1].exitcode
        sys.exit(code if code > 0 else 128 - code)
    except ValueError as mistake:
        sys.exit(f'torchrun: error: {mistake}')
