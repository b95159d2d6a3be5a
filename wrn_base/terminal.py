"""Print text that comes from files and servers."""

import contextlib
import json
import os
import re
import sys
import textwrap
import unicodedata
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Protocol

from wrn_base.credentials import mask_credentials

_NARROW = 30  # columns of a terminal that has no room for an indent
_QUOTED = re.compile(r"(?<= )'[^']*'(?= |$)")  # as the shell quotes words
_BOUND = '\0'  # stands for a space in quotes; printable text has none
_JOINERS = '\u200c\u200d'  # of Persian, Hindi and emoji


def printable(text: str) -> str:
    """Mask credentials, and escape what a terminal would obey or hide.

    That is control characters, line breaks, marks that change the direction, and lone surrogates.

    Args:
        text: Any text, such as a file name or a URL.

    Returns:
        The text in one line.
    """
    text = mask_credentials(text)
    return text if text.isprintable() else ''.join(map(_escape, text))


def short_path(path: str | Path) -> str:
    """Return a path for people: relative to the current folder if it is in there.

    Args:
        path: The path.
    """
    with contextlib.suppress(OSError, ValueError):  # the folder is removed, or another one
        path = Path(path).relative_to(Path.cwd())
    return str(path)


class Live(Protocol):
    """A line at the bottom of the terminal, such as :class:`wrn_base.live_line.LiveLine`."""

    def print(self, text: str) -> None:
        """Print a line above it."""

    def hidden(self) -> AbstractContextManager[None]:
        """Leave the terminal to another display during a block."""

    def stop(self) -> None:
        """Remove it."""


_live: Live | None = None


def set_live(line: Live | None) -> None:
    """Set the line that other output must not tear; None if there is none."""
    global _live
    _live = line


def stop_live() -> None:
    """Remove the live line, if there is one, before the process ends."""
    if _live:
        _live.stop()


def without_live_line() -> AbstractContextManager[None]:
    """Leave the terminal to another display, such as the bar of a download, during a block."""
    return _live.hidden() if _live else contextlib.nullcontext()


def wrap(text: str, stream: IO[str], end: str = '') -> str:
    """Break a message between words, and indent it, if it is longer than a terminal is wide.

    A word that is longer than a line, such as a path, is left whole, and so are words in quotes,
    such as a path with spaces in a command to copy. Text for anything but a terminal stays one
    line, which scripts can search.

    Args:
        text: The message, in one line.
        stream: The stream that it is for.
        end: The end of each line but the last. Defaults to ''.
    """
    columns = 0
    with contextlib.suppress(OSError, ValueError):  # a closed stream, or one without a file
        if stream.isatty():
            columns = os.get_terminal_size(stream.fileno()).columns
    if columns < _NARROW or len(text) <= columns:
        return text
    whole = _QUOTED.sub(lambda match: match.group().replace(' ', _BOUND), text)
    lines = textwrap.wrap(
        whole,
        columns - len(end),
        subsequent_indent=' ' * 5,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return f'{end}\n'.join(lines).replace(_BOUND, ' ')


def say(text: str) -> None:
    """Print a message of the package on standard error, in one line or wrapped by :func:`wrap`."""
    _report(wrap(printable(f'wrn: {text}'), sys.stderr))


def report(text: str) -> None:
    """Print a line on standard error.

    A line that cannot be written, such as to a full disk, is dropped: it must not end a run.
    """
    _report(printable(text))


def _report(text: str) -> None:
    with contextlib.suppress(OSError):
        _write(text, sys.stderr)


def show(text: str) -> None:
    """Print a sentence on standard output, in one line or wrapped by :func:`wrap`."""
    _write(wrap(printable(text), sys.stdout), sys.stdout)


def show_command(text: str) -> None:
    """Print a sentence that ends with a command. A shell takes it as one, even if it is wrapped."""
    _write(wrap(printable(text), sys.stdout, ' \\'), sys.stdout)


def show_line(text: str) -> None:
    """Print a line on standard output as it is, such as one of code."""
    _write(printable(text), sys.stdout)


def _write(line: str, stream: IO[str]) -> None:
    if _live and stream.isatty():
        _live.print(line)
    else:
        print(line, file=stream)


def show_json(value: Any) -> None:
    """Print a value as JSON on standard output, with all but ASCII escaped.

    Args:
        value: Plain values. Credentials in their texts are masked.
    """
    print(json.dumps(_mask(value), indent=2))


def show_json_line(value: Any) -> None:
    """Print a value as JSON in one line on standard output, at once.

    Args:
        value: Plain values. Their texts are kept, since other programs look them up.
    """
    print(json.dumps(value), flush=True)


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mask(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mask(item) for item in value]
    return mask_credentials(value) if isinstance(value, str) else value


def _escape(character: str) -> str:
    if character.isprintable() or character in _JOINERS or unicodedata.category(character) == 'Zs':
        return character
    return character.encode('unicode_escape').decode()
