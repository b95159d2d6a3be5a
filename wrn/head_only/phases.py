"""Report what a run does now, and name it if the run is interrupted."""

import contextlib
from collections.abc import Iterator

from wrn_base.run_progress import RunProgress

AGAIN = 'run the same command again to resume'
"""How to resume, for the messages of an interrupted run."""


@contextlib.contextmanager
def interruptible(progress: RunProgress, phase: str) -> Iterator[None]:
    """Report a phase, and name it if Ctrl-C stops it.

    Args:
        progress: Receives the phase.
        phase: What is done in the block, such as ``'fitting the head'``.

    Raises:
        KeyboardInterrupt: At Ctrl-C. Its message names the phase.
    """
    try:
        progress.phase(phase)
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f'stopped while {phase}; {AGAIN}') from None
