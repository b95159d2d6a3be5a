"""Say in one line what ended a run that had started well."""

import contextlib
from collections.abc import Iterator

import torch

from wrn.errors import WrnError

_GO_ON = 'the checkpoints are whole: go on with --resume'
_WORKER_LOST = (
    'a data worker was killed, most often since memory ran out; lower '
    f'train_dataloader.num_workers; {_GO_ON}'
)
_PEER_LOST = ('Connection closed by peer', 'Connection reset by peer', 'Broken pipe')


@contextlib.contextmanager
def run_errors() -> Iterator[None]:
    """Turn what the machine does to a run into one clear line.

    Raises:
        WrnError: With the message: of a full disk, memory that does not suffice, a process of the
            job or a data worker that was killed.
    """
    try:
        yield
    except BrokenPipeError:  # whoever read the output has what it wanted
        raise
    except (ConnectionError, EOFError) as error:  # while it handed over a batch
        raise WrnError(_WORKER_LOST) from error
    except OSError as error:
        name = f'{error.filename}: ' if error.filename else ''
        raise WrnError(f'{name}{error.strerror or error}; {_GO_ON}') from error
    except torch.OutOfMemoryError as error:
        raise WrnError(
            'the memory of the device does not suffice; make train_dataloader.batch_size smaller, '
            f'with optim_wrapper.accumulative_counts larger; {_GO_ON}'
        ) from error
    except RuntimeError as error:
        message = str(error)
        if message.startswith('DataLoader worker'):  # not 'Caught ... in DataLoader worker'
            raise WrnError(_WORKER_LOST) from error
        if any(sign in message for sign in _PEER_LOST):
            raise WrnError(
                f'another process of the job has ended; its output says why; {_GO_ON}'
            ) from error
        raise
