"""Say in one line what ended a run that had started well."""

import contextlib
from collections.abc import Iterator

import torch

from wrn.utils.errors import WrnError

_GO_ON = '; the checkpoints are whole: go on with --resume'
_PEER_LOST = (
    'Connection closed by peer',
    'Connection reset by peer',
    'Broken pipe',
    'ncclRemoteError',
)


@contextlib.contextmanager
def run_errors(mode: str) -> Iterator[None]:
    """Turn what the machine does to a run into one clear line.

    Args:
        mode: ``'train'`` or ``'test'``.

    Raises:
        WrnError: With the message: of a full disk, memory that does not suffice, a process of the
            job or a data worker that was killed.
    """
    go_on = _GO_ON if mode == 'train' else ''
    worker_lost = (
        'a data worker was killed, most often since memory ran out; lower '
        f'{mode}_dataloader.num_workers{go_on}'
    )
    try:
        yield
    except BrokenPipeError:  # whoever read the output has what it wanted
        raise
    except (ConnectionError, EOFError) as error:  # while it handed over a batch
        raise WrnError(worker_lost) from error
    except OSError as error:
        name = f'{error.filename}: ' if error.filename else ''
        raise WrnError(f'{name}{error.strerror or error}{go_on}') from error
    except torch.OutOfMemoryError as error:
        update = ', with optim_wrapper.accumulative_counts larger' if mode == 'train' else ''
        raise WrnError(
            'the memory of the device does not suffice; make '
            f'{mode}_dataloader.batch_size smaller{update}{go_on}'
        ) from error
    except RuntimeError as error:
        message = str(error)
        if message.startswith('DataLoader worker'):  # not 'Caught ... in DataLoader worker'
            raise WrnError(worker_lost) from error
        if any(sign in message for sign in _PEER_LOST):
            raise WrnError(
                f'another process of the job has ended; its output says why{go_on}'
            ) from error
        raise
