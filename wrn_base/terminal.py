"""Print text that comes from files and servers."""

import json
import sys
import unicodedata
from typing import Any

from wrn_base.credentials import mask_credentials

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


def say(text: str) -> None:
    """Print a message of the package on standard error, in one line."""
    print(f'wrn: {printable(text)}', file=sys.stderr)


def show(text: str) -> None:
    """Print a result on standard output, in one line."""
    print(printable(text))


def show_json(value: Any) -> None:
    """Print a value as JSON on standard output, with all but ASCII escaped."""
    print(json.dumps(value, indent=2))


def _escape(character: str) -> str:
    if character.isprintable() or character in _JOINERS or unicodedata.category(character) == 'Zs':
        return character
    return character.encode('unicode_escape').decode()
