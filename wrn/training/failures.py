"""Report in one line why a running job failed."""

import contextlib
from collections.abc import Iterator

import torch
from mmengine.runner import Runner

from wrn.utils.memory import describe_excess, is_out_of_memory
from wrn_base.errors import WrnError, is_full_or_closed, one_line, write_cure

_PEER_LOST = (
    'Connection closed by peer',
    'Connection reset by peer',
    'Broken pipe',
    'ncclRemoteError',
)
_RESUME = '; the checkpoints are intact: run again with --resume'


@contextlib.contextmanager
def run_errors(mode: str, folder: str | None = None) -> Iterator[None]:
    """Turn failures of the machine into one-line errors.

    Args:
        mode: ``'train'`` or ``'test'``.
        folder: The work folder, for the message about a full disk. Defaults to None.

    Raises:
        WrnError: If the disk is full, or a data worker or another process of the job was killed.
    """
    resume = _RESUME if mode == 'train' else ''
    worker_lost = (
        f'a data worker was killed, most likely because memory ran out; lower --workers{resume}'
    )
    try:
        yield
    except (WrnError, BrokenPipeError):  # one of ours, or the reader of the output has gone
        raise
    except (ConnectionError, EOFError) as error:  # the worker was sending a batch
        raise WrnError(worker_lost) from error
    except OSError as error:
        place = error.filename or (folder if is_full_or_closed(error) else None)
        name = f'{place}: ' if place else ''
        cure = resume or f'; {write_cure(error)}'
        raise WrnError(f'{name}{one_line(error)}{cure}') from error
    except RuntimeError as error:
        message = str(error)
        if message.startswith('DataLoader worker'):  # not 'Caught ... in DataLoader worker'
            raise WrnError(worker_lost) from error
        if any(text in message for text in _PEER_LOST):
            raise WrnError(
                f'another process of the job has ended; see its output for the reason{resume}'
            ) from error
        raise


@contextlib.contextmanager
def memory_errors(runner: Runner, mode: str) -> Iterator[None]:
    """Report that a batch of a run does not fit into memory, and the option that sets its size.

    Args:
        runner: The runner.
        mode: ``'train'`` or ``'test'``.

    Raises:
        WrnError: If the block runs out of memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        validates = mode == 'train' and not runner.model.training
        loader = 'val_dataloader' if validates else f'{mode}_dataloader'
        size = runner.cfg[loader].get('batch_size')
        key = f'--cfg-options {loader}.batch_size'
        option = key if validates or size is None else '--batch-size'
        cure = ', or add --amp' if isinstance(error, torch.OutOfMemoryError) else ''
        cure += _RESUME if mode == 'train' else ''
        raise describe_excess(error, size, option, cure) from error
