"""Print text that comes from files and servers."""

import sys
import unicodedata

_JOINERS = '\u200c\u200d'  # of Persian, Hindi and emoji


def printable(text: str) -> str:
    """Escape what a terminal would obey or hide: control characters, line breaks, surrogates.

    Args:
        text: Any text, such as a file name.

    Returns:
        The text in one line.
    """
    if text.isprintable():
        return text
    return ''.join(map(_escape, text))


def say(text: str) -> None:
    """Print a message of the package on standard error, in one line."""
    print(f'wrn: {printable(text)}', file=sys.stderr)


def show(text: str) -> None:
    """Print a result on standard output, in one line."""
    print(printable(text))


def _escape(character: str) -> str:
    if character.isprintable() or character in _JOINERS or unicodedata.category(character) == 'Zs':
        return character
    return character.encode('unicode_escape').decode()
