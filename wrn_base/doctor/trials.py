"""Try what may fail, hang or crash in another process, and survive it."""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wrn_base.doctor.finding import Finding
from wrn_base.systems import kill_session

_WORKER = (sys.executable, '-m', 'wrn_base.doctor.worker')
_SECONDS = 180.0  # `torch.compile` takes a minute on slow machines


def try_all(
    started: Callable[[str], None] = lambda name: None,
    command: Sequence[str] = _WORKER,
    seconds: float = _SECONDS,
) -> Iterator[Finding]:
    """Import the packages, and try the accelerator and the backends.

    Args:
        started: Is called with the name of each trial when it starts. Defaults to nothing.
        command: The command that does the trials. Defaults to :mod:`wrn_base.doctor.worker`.
        seconds: The time limit of a trial. Defaults to 180.

    Yields:
        A finding for each trial. If the process ends or hangs, the trial is broken, and another
        process does the rest.
    """
    done: list[str] = []
    while True:
        trial = dict(section='imports', name='python')
        with _Process([*command, *done], seconds) as process:
            for line in process.lines():
                if 'status' in line:
                    done.append(line['name'])
                    yield Finding(**line)
                else:
                    trial = line
                    started(line['name'])
        if process.failure is None:
            return
        yield Finding(
            **trial,
            value='ends the process',
            status='broken',
            problem=process.failure,
            cure='install it again, in the newest version that this processor supports',
        )
        if trial['name'] in done or trial['name'] == 'python':
            return  # it failed between two trials, and would again
        done.append(trial['name'])


class _Process:
    """A process that writes lines of JSON, and is killed if one takes too long.

    Attributes:
        failure: Why it did not end as it should. None if it did.
    """

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        self.failure: str | None = None
        self._command, self._seconds = command, seconds
        self._late = False

    def __enter__(self) -> '_Process':
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # to kill the processes that it starts, too
        )
        return self

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield what each line holds."""
        assert self._process.stdout is not None
        timer = self._start_timer()
        try:
            for line in self._process.stdout:
                timer.cancel()
                yield json.loads(line)
                timer = self._start_timer()
            self._process.wait()
        finally:
            timer.cancel()

    def __exit__(self, *_: object) -> None:
        self._kill()
        code = self._process.wait()
        self._errors.seek(0)
        last = self._errors.read().decode(errors='replace').strip().splitlines()[-1:]
        self._errors.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        if self._late:
            self.failure = f'no end after {self._seconds:g} s'
        elif code < 0:
            self.failure = f'ended by {signal.Signals(-code).name}'
        elif code:
            self.failure = f'ended with status {code}: {"".join(last)}'

    def _start_timer(self) -> threading.Timer:
        timer = threading.Timer(self._seconds, self._stop)
        timer.daemon = True
        timer.start()
        return timer

    def _stop(self) -> None:
        self._late = True
        self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            kill_session(self._process)
