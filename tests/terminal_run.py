"""Run the command line in a pseudo-terminal, and return what a user sees there."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from dataclasses import dataclass
from typing import Any

import pyte
from commands import CONTEXT, run_main

_ROWS = 50
_WIDE = 2000  # columns: nothing wraps
_LOG_LINE = re.compile(r' - mmengine - |\w+Warning: |warnings\.warn')


@dataclass
class Seen:
    """What a command showed in a terminal.

    Attributes:
        code: The exit status.
        lines: What stands there at the end, also what has scrolled away, without empty lines.
        drawn: Each line as it was drawn at some time, in order: also what was erased again.
        overlong: The lines among these that are longer than the terminal is wide, but for single
            words, such as paths.
        raw: All that was written.
    """

    code: int
    lines: list[str]
    drawn: list[str]
    overlong: list[str]
    raw: bytes

    @property
    def text(self) -> str:
        """The lines at the end as one text."""
        return '\n'.join(self.lines)

    @property
    def bars(self) -> list[str]:
        """The live lines with a bar."""
        return [line for line in self.drawn if line.startswith(('━', '╸', '╺'))]

    @property
    def log_lines(self) -> list[str]:
        """Lines that look like those of a log, or like Python's warnings."""
        return [line for line in self.drawn if _LOG_LINE.search(line)]


def run_in_terminal(
    arguments: list[Any],
    columns: int = 80,
    cwd: Any = None,
    environment: dict[str, str] | None = None,
    send: tuple[str, bytes | signal.Signals] | None = None,
    seconds: float = 120,
) -> Seen:
    """Run ``wrn`` in a terminal.

    Args:
        arguments: Its arguments.
        columns: The width of the terminal. Defaults to 80.
        cwd: The current folder. Defaults to the same.
        environment: Variables to add to those of this process. Defaults to none.
        send: A text, and the keys to type or the signal to send when it has appeared. Defaults to
            None.
        seconds: How long to wait for the end. Defaults to 120.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', _ROWS, columns, 0, 0))
    variables = {key: os.environ[key] for key in os.environ.keys() - {'CI', 'COLUMNS', 'LINES'}}
    variables |= {'TERM': 'xterm-256color', **(environment or {})}
    words = [str(word) for word in arguments]
    args = (os.ttyname(slave), words, str(cwd or os.getcwd()), variables)
    process = CONTEXT.Process(target=_main, args=args)
    process.start()
    raw, deadline, ended = b'', time.monotonic() + seconds, False
    while select.select([master], [], [], 0.01)[0] or not ended:
        if select.select([master], [], [], 0.05)[0]:
            raw += os.read(master, 1 << 16)
        else:
            ended = not process.is_alive()
        if send and send[0].encode() in raw:
            if isinstance(send[1], bytes):
                os.write(master, send[1])
            else:
                os.kill(process.pid, send[1])
            send = None
        if time.monotonic() > deadline:
            process.kill()
            raise TimeoutError(raw[-2000:].decode(errors='replace'))
    process.join()
    os.close(master)
    os.close(slave)
    return _replay(raw, columns, process.exitcode)


def _main(name: str, arguments: list[str], cwd: str, environment: dict[str, str]) -> None:
    os.setsid()
    terminal = os.open(name, os.O_RDWR)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)  # Ctrl-C then reaches this process
    for stream in (0, 1, 2):
        os.dup2(terminal, stream)
    sys.stdout.reconfigure(line_buffering=True)
    run_main(arguments, cwd, environment)


def _replay(raw: bytes, columns: int, code: int | None) -> Seen:
    """Feed what was written to two screens: one as it was, and one in which nothing wraps."""
    screen = pyte.HistoryScreen(columns, _ROWS, history=100_000)
    wide = pyte.Screen(_WIDE, _ROWS)
    streams = [pyte.ByteStream(screen), pyte.ByteStream(wide)]
    drawn: list[str] = []
    known: set[str] = set()
    for part in re.split(rb'(?=\r)', raw):  # each drawing of a live line starts with it
        for stream in streams:
            stream.feed(part)
        last = wide.cursor.y
        for line in (_text(wide.buffer[row]) for row in (max(last - 1, 0), last)):
            if line and line not in known:
                known.add(line)
                drawn.append(line)
    overlong = [line for line in drawn if len(line) > columns and len(line.split()) > 1]
    rows = [*screen.history.top, *(screen.buffer[row] for row in range(_ROWS))]
    lines = [line for line in map(_text, rows) if line]
    return Seen(code or 0, lines, drawn, overlong, raw)


def _text(row: Any) -> str:
    """Return the text of a row of a screen, whose cells are stored by column."""
    return ''.join(row[column].data for column in range(max(row, default=-1) + 1)).rstrip()
