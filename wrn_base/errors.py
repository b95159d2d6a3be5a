"""Exceptions, and helpers for their messages.

A message reads ``THING: what is wrong; what to do``. The command line prints it as it is.
"""

import difflib
import errno
from collections.abc import Iterable
from numbers import Integral

from wrn_base.credentials import mask_credentials
from wrn_base.names import visible
from wrn_base.terminal import printable

_FULL_OR_CLOSED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE)


class WrnError(ValueError):
    """An error in the user's input.

    The message names the file or key, the cause and the fix, in one printable line.
    """

    def __init__(self, message: str) -> None:
        # torch raises an error of a worker process again with its traceback, which others shorten.
        of_worker = message.startswith('Caught ')
        super().__init__(mask_credentials(message) if of_worker else printable(message))


class CheckpointError(WrnError):
    """A checkpoint that cannot be read or does not match the model."""


class UnreadableCheckpointError(CheckpointError, OSError):
    """A checkpoint that does not exist or cannot be opened.

    mmengine's loaders raise :class:`OSError` for it, which code around them catches.
    """


class DownloadError(WrnError):
    """A file that cannot be downloaded from one URL."""


class ImageReadError(WrnError):
    """An image that cannot be read."""


class RunStoppedError(WrnError):
    """A run that was asked to stop, and has saved what it needs to resume.

    The process ignores SIGTERM from then on: schedulers send it more than once, and another one
    would change the exit status.
    """


class RandomWeightsWarning(UserWarning):
    """Pretrained weights were requested, but some or all weights are random."""


class AssumptionWarning(UserWarning):
    """Something was assumed about weights because their file does not state it."""


class ChannelOrderWarning(UserWarning):
    """An array was taken as BGR, but the model was trained on RGB arrays of such a size."""


def one_line(error: BaseException) -> str:
    """Return the reason of an exception in one line.

    Args:
        error: An exception of any library.

    Returns:
        What the operating system reports, or the start of the message, or the type's name.
    """
    text = getattr(error, 'strerror', None) or str(error)
    return ' '.join(text.split())[:300] or type(error).__name__


def write_cure(error: OSError, otherwise: str = 'check it') -> str:
    """Return what to do about a file that cannot be written.

    Args:
        error: Why not.
        otherwise: What to do besides freeing space. Defaults to checking the file.
    """
    if error.errno == errno.ENAMETOOLONG:
        return 'choose a shorter name'
    return f'free space, or {otherwise}'


def is_full_or_closed(error: BaseException) -> bool:
    """Return whether an error is due to a full disk, or to an output that nobody reads.

    Args:
        error: The error.
    """
    return isinstance(error, OSError) and error.errno in _FULL_OR_CLOSED


def did_you_mean(name: str, known: Iterable[str], otherwise: str = '', cutoff: float = 0.5) -> str:
    """Suggest the name that is closest to a misspelled one, in any case.

    Args:
        name: The misspelled name.
        known: The valid names.
        otherwise: The text to return if no name is close. Defaults to ''.
        cutoff: How similar the names must be, from 0 to 1. Defaults to 0.5.

    Returns:
        A clause for the end of a message.
    """
    lower = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), lower, 1, cutoff)
    return f"; did you mean '{lower[near[0]]}'?" if near else otherwise


def check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    """Check that a value is one of a few.

    Args:
        option: The name of the option, for the message.
        value: The value.
        choices: The valid values.

    Raises:
        WrnError: If it is none of them. The message names the nearest.
    """
    choices = list(choices)
    if value not in choices:
        near = did_you_mean(str(value), choices)
        raise WrnError(f'{option} {value!r}: must be one of {", ".join(choices)}{near}')


def check_whole(option: str, value: object, minimum: int) -> None:
    """Check that a value is a whole number that is not too small.

    Args:
        option: The name of the option, for the message.
        value: The value. None passes.
        minimum: The smallest valid value.

    Raises:
        WrnError: If it is not.
    """
    if value is None:
        return
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise WrnError(f'{option} {value!r}: must be a whole number, at least {minimum}')
    if int(value) < minimum:
        raise WrnError(f'{option} {value}: must be at least {minimum}')


def some(names: Iterable[str], shown: int = 3) -> str:
    """Join the first few of many names for a message.

    Args:
        names: The names.
        shown: The number of names to show. Defaults to 3.

    Returns:
        The sorted names, such as ``'a, b, c and 4 more'``. Empty if there are no names.
    """
    names = [visible(name) for name in sorted(names)]
    more = f' and {len(names) - shown} more' if len(names) > shown else ''
    return ', '.join(names[:shown]) + more


def count(number: int, noun: str, style: str = '') -> str:
    """Return a number with its noun, such as ``'1 class'`` and ``'2 classes'``.

    Args:
        number: The number.
        noun: The noun in the singular.
        style: How Python formats the number, such as ``','`` for ``'1,024 images'``. Defaults to
            ``''``.
    """
    plural = 'es' if noun.endswith('s') else 's'
    return f'{number:{style}} {noun}{"" if number == 1 else plural}'
