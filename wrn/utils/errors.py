"""Errors that say what is wrong, where, and what to do; the command line prints them so."""

import difflib
from collections.abc import Iterable


class WrnError(ValueError):
    """A mistake in what the user gave; the message names the file or key, the reason, the cure."""


class CheckpointError(WrnError):
    """A checkpoint that cannot be read, or does not fit the model."""


class DownloadError(WrnError):
    """A file that cannot be had from one of its sources."""


class ImageReadError(WrnError):
    """A picture that cannot be read."""


class RunStoppedError(WrnError):
    """A run that was told to stop, and has saved what is needed to go on."""


class RandomWeightsWarning(UserWarning):
    """A model was asked for with pretrained weights, and all or some of its weights are random."""


def did_you_mean(name: str, known: Iterable[str], otherwise: str = '') -> str:
    """Suggest what a misspelt name may stand for.

    Args:
        name: The name.
        known: The names that there are.
        otherwise: What to say if none is near. Defaults to nothing.

    Returns:
        A clause to end a message with.
    """
    near = difflib.get_close_matches(name, list(known), cutoff=0.5)
    return f'; did you mean {" or ".join(near)}?' if near else otherwise


def some(names: Iterable[str], shown: int = 3) -> str:
    """List names for a message, the first few of many.

    Args:
        names: The names.
        shown: How many to show. Defaults to 3.

    Returns:
        Such as ``'a, b, c and 4 more'``; empty if there are none.
    """
    names = sorted(names)
    more = f' and {len(names) - shown} more' if len(names) > shown else ''
    return ', '.join(names[:shown]) + more


def count(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``'1 class'`` and ``'2 classes'``.

    Args:
        number: The number.
        noun: The noun in the singular.
    """
    plural = 'es' if noun.endswith('s') else 's'
    return f'{number} {noun}{"" if number == 1 else plural}'
