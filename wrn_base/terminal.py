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
