"""Report in one line that a batch does not fit into memory."""

import contextlib
import re
from collections.abc import Iterator

import torch

from wrn_base.errors import WrnError, count

_TEXTS = ("can't allocate memory", 'Unable to allocate', 'bad_alloc', 'ALLOC_FAILED')
_WANTED = re.compile(r'(?:tried|[Uu]nable) to allocate ([\d.]+ ?\w+)')


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error is due to a lack of memory of the CPU or of a GPU.

    Args:
        error: The error of torch, numpy or Python. That of a data worker holds their text.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS)


@contextlib.contextmanager
def batch_errors(batch_size: int, option: str = '--batch-size', cure: str = '') -> Iterator[None]:
    """Report that a batch does not fit into memory.

    Args:
        batch_size: The number of images in the batch.
        option: The option that sets it. Defaults to ``'--batch-size'``.
        cure: What to do besides. Defaults to nothing.

    Raises:
        WrnError: If the block runs out of memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise describe_excess(error, batch_size, option, cure) from error


def describe_excess(
    error: BaseException, batch_size: int | None, option: str, cure: str
) -> WrnError:
    """Return the error that says that a batch does not fit into memory.

    Args:
        error: What :func:`is_out_of_memory` accepts.
        batch_size: The number of images in the batch. None if it is unknown.
        option: As for :func:`batch_errors`.
        cure: As for :func:`batch_errors`.
    """
    wanted = _WANTED.search(str(error))
    reason = f' (another {wanted[1]} would be needed)' if wanted else ''
    if batch_size is None:
        return WrnError(f'{option}: a batch does not fit into memory{reason}; lower it{cure}')
    what = f'a batch of {count(batch_size, "image")} does not fit into memory{reason}'
    lower = f'lower it, such as to {batch_size // 2}'
    if batch_size == 1:
        lower = 'use a smaller model or smaller images, or a device with more memory'
    given = f'{option}{"=" if "." in option else " "}{batch_size}'  # a key of the config, or not
    return WrnError(f'{given}: {what}; {lower}{cure}')
