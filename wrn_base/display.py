"""Show a run: a live line in a terminal, and elsewhere a line a minute and one an epoch."""

import math
import os
import time
from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.text import Text

from wrn_base.live_line import LiveLine, is_interactive
from wrn_base.progress_line import about, clock, epoch_parts, fit, step_parts
from wrn_base.run_progress import SILENT, Epoch, RunProgress, Step
from wrn_base.terminal import report, say

_RANKS = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}
_SMALLER = 'a smaller model, or a GPU, takes less'
_ADVICE = {'finetune': ''}  # it has compared the time with that of --head-only at its start
_LONG = 300  # estimated seconds of a run on a CPU from which on advice is given
_LINE_SECONDS = 60  # between lines outside a terminal
_BAR = (8, 30)  # columns of the bar, at least and at most
_NARROW = 30  # columns of a terminal that has no room for a bar


class Display(RunProgress):
    """Shows a run on standard error.

    In a terminal, a live line says what the run does now. During training and testing it has a bar,
    the epoch and step, the loss, the throughput and the time left. A line stays for each epoch.
    Elsewhere, such as in the log of a job, there is at most a line a minute and one an epoch.

    Args:
        verbose: Whether mmengine's log appears on the screen, instead of lines of steps and epochs.
            Defaults to False.
        advice: What to do if a run takes long on a CPU. Defaults to a smaller model.
    """

    def __init__(self, verbose: bool = False, advice: str = _SMALLER) -> None:
        self.verbose = verbose
        self._advice = advice
        self._line = None if verbose or not is_interactive() else LiveLine(self)
        self._started = False
        self._phase = ''
        self._since = time.monotonic()  # of the phase
        self._step: Step | None = None
        self._end: float | None = None  # when the run is expected to end
        self._longest = 0  # columns
        self._next_line = -math.inf

    def close(self) -> None:
        """Remove the live line."""
        if self._line and self._started:
            self._line.stop()
        self._line = None

    def phase(self, name: str) -> None:
        """Show what the run begins with now."""
        self._phase, self._since = name, time.monotonic()
        self._step = self._end = None
        if self._line is None:
            self._print_rarely(f'wrn: {name}')
        elif self._started:
            self._line.draw()
        else:
            self._started = True  # Ctrl-C may come while it starts
            self._line.start()

    def note(self, text: str) -> None:
        """Print a message."""
        say(text)

    def step(self, step: Step) -> None:
        """Show a finished step."""
        self._step = step
        if step.seconds_left is not None:
            self._end = time.monotonic() + step.seconds_left
        if self._line is None and not self.verbose:
            self._print_rarely(fit(step_parts(step, self._seconds_left()), None))

    def epoch(self, epoch: Epoch) -> None:
        """Print the line of a finished epoch."""
        if self._line:
            report(fit(epoch_parts(epoch), self._line.width))
        elif not self.verbose:
            report(fit(epoch_parts(epoch, self._seconds_left()), None))
            self._next_line = time.monotonic() + _LINE_SECONDS

    def estimate(self, seconds: float, what: str, on_cpu: bool) -> None:
        """Print how long the run will take, with advice if that is long on a CPU."""
        text = f'{about(seconds)} for {what}{" on this CPU" if on_cpu else ""}'
        if on_cpu and seconds >= _LONG and self._advice:
            text += f'; {self._advice}'
        say(text)

    def end(self, text: str | None = None) -> None:
        """Fill the bar, remove it, and print what was done."""
        if self._line and self._step:
            self._step = replace(self._step, share=1.0)
            self._line.draw()
            self.phase('finishing')
        if text and not self.verbose:
            report(text)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 1  # the cursor stands behind the line
        step = self._step
        if step is None:
            spent = clock(time.monotonic() - self._since)
            text = fit([(2, self._phase), (1, spent)], max(width - 2, 0))
            frames = '|/-\\' if options.ascii_only else '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
            frame = frames[int(4 * time.monotonic()) % len(frames)]
            yield Text(f'{frame} {text}', no_wrap=True, end='')
            return
        room = width if width < _NARROW else width - _BAR[0] - 1
        text = fit(step_parts(step, self._seconds_left()), max(room, 0))
        # The longest text so far leaves room for a bar that does not change its length.
        self._longest = min(max(self._longest, cell_len(text)), room)
        if width >= _NARROW:
            yield ProgressBar(1.0, step.share, width=min(_BAR[1], width - self._longest - 1))
            yield Segment(' ')
        yield Text(text, no_wrap=True, end='')

    def _seconds_left(self) -> float | None:
        return self._end and self._end - time.monotonic()

    def _print_rarely(self, text: str) -> None:
        now = time.monotonic()
        if now >= self._next_line:
            self._next_line = now + _LINE_SECONDS
            report(text)


def make_display(command: str, launcher: str, verbose: bool) -> RunProgress:
    """Make the display of a command.

    Args:
        command: The name of the command.
        launcher: The value of ``--launcher``.
        verbose: As for :class:`Display`.

    Returns:
        The display; :data:`SILENT` in all processes of a job but the first.
    """
    rank = os.environ.get(_RANKS.get(launcher, ''), '0')
    return (
        SILENT if rank.isdigit() and int(rank) else Display(verbose, _ADVICE.get(command, _SMALLER))
    )
