"""One line at the bottom of the terminal that is drawn again and again, below all other output.

Data workers may be forks of this process. If one were forked while a thread draws, it would inherit
locks that nobody releases. So drawing and forking exclude each other, and a fork has no line.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from wrn_base import terminal
from wrn_base.systems import call_at_fork

_PER_SECOND = 4  # how often the line is drawn; each time takes about a millisecond
_drawing = threading.RLock()


class ErrorConsole(Console):
    """Standard error, with a cursor that stays visible: a killed process could not restore it."""

    def __init__(self) -> None:
        super().__init__(stderr=True)

    def show_cursor(self, show: bool = True) -> bool:
        """Leave the cursor as it is."""
        return False


def is_interactive() -> bool:
    """Return whether standard error is a terminal that shows one line again and again.

    Logs of continuous integration may look like a terminal, but keep everything.
    """
    console = ErrorConsole()
    return sys.stderr.isatty() and console.is_interactive and not os.environ.get('CI')


class LiveLine:
    """A line that shows an object, such as a bar, on standard error.

    It is drawn several times a second, so it may tell the time. Other output in the meantime
    appears above it. Errors of the terminal are ignored: they must not end a run.

    Args:
        content: The object to show. It must take one line, of any width.
    """

    def __init__(self, content: RenderableType) -> None:
        self._content = content
        self._hidden = self._failed = False
        self._done = threading.Event()
        self._live = Live(
            console=ErrorConsole(),
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # else it is a file, which must get its text
            get_renderable=lambda: '' if self._hidden else self._content,
        )

    @property
    def width(self) -> int:
        """The number of columns of the terminal."""
        return self._live.console.width

    def start(self) -> None:
        """Draw the line from now on."""
        terminal.set_live(self)
        self._failed = not self._try(self._live.start)
        self.draw()
        threading.Thread(target=self._draw_often, daemon=True).start()

    def stop(self) -> None:
        """Remove the line."""
        self._done.set()
        terminal.set_live(None)
        self._try(self._live.stop)

    def draw(self) -> None:
        """Draw the line now."""
        self._failed |= not self._try(self._live.refresh)

    def print(self, text: str) -> None:
        """Print a line above this one. The terminal, not rich, breaks it if it is too long."""
        self._try(lambda: self._live.console.print(Text(text), soft_wrap=True))

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """Leave the terminal to another display during a block."""
        self._hidden = True
        self.draw()
        try:
            yield
        finally:
            self._hidden = False

    def _draw_often(self) -> None:
        while not (self._done.wait(1 / _PER_SECOND) or self._failed):
            with _drawing:
                if not (self._done.is_set() or self._hidden):
                    self.draw()

    def _try(self, write: Callable[[], None]) -> bool:
        """Write to the terminal, and return whether that worked."""
        try:
            with _drawing:
                write()
        except (OSError, ValueError):  # a full disk or a closed window; a closed stream
            return False
        return True


def _end_in_fork() -> None:
    _drawing.release()
    terminal.set_live(None)
    for name in ('stdout', 'stderr'):
        stream = getattr(sys, name)
        setattr(sys, name, getattr(stream, 'rich_proxied_file', stream))


call_at_fork(_drawing.acquire, _drawing.release, _end_in_fork)
