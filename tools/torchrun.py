"""Run torchrun with an exit status that says why the job ended, and without a traceback.

The status is 75 (``EX_TEMPFAIL``) after SIGTERM: queue the job again. After another signal, to
torchrun or to a process, it is 128 plus the number of the signal. If a process fails, it is the
exit status of that process.
"""

import signal
import sys

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

from wrn_base.systems import EX_TEMPFAIL

if __name__ == '__main__':
    try:
        main()
    except SignalException as stopped:
        sys.exit(EX_TEMPFAIL if stopped.sigval == signal.SIGTERM else 128 + stopped.sigval)
    except ChildFailedError as failed:  # the process has printed the reason
        code = failed.get_first_failure()[1].exitcode
        sys.exit(code if code > 0 else 128 - code)
    except ValueError as error:
        sys.exit(f'torchrun: error: {error}')
