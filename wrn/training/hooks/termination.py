"""Stop a run cleanly at SIGTERM."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import (
    all_reduce,
    barrier,
    get_comm_device,
    is_distributed,
    is_main_process,
)
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner
from torch.distributed import is_torchelastic_launched
from torch.utils.data import DataLoader

from wrn.training.hooks.safe_checkpoints import SAFE_BACKEND
from wrn.training.run_files import LAST, START_MARK, STOPPED, find_last
from wrn.training.worker_signals import end_workers, ignore_sigterm, unblock_sigterm
from wrn.utils.files import write_atomically
from wrn_base.errors import RunStoppedError
from wrn_base.interrupt import end_at_sigterm
from wrn_base.systems import hold_sigterm


def describe_position(runner: Runner) -> str:
    """Return where a run stands, and how to resume it, for the message of an interrupted run."""
    saved = 'no checkpoint is written yet: run the same command again'
    if _has_saved(runner):
        last = find_last(Path(runner.work_dir))
        intact = f'{last} is intact: ' if last and last.is_file() else ''
        saved = f'{intact}run again with --resume'
    loop = runner._train_loop  # not runner.train_loop, which would build it
    done = (loop.epoch, loop.iter) if isinstance(loop, BaseLoop) else (0, 0)
    return f'stopped {describe_progress(runner, *done)}; {saved}'


def _has_saved(runner: Runner) -> bool:
    """Return whether the last checkpoint is of this run, and not of one that it is to replace."""
    mark, started = (Path(runner.work_dir, name) for name in (LAST, START_MARK))
    if runner._resume or not (mark.is_file() and started.is_file()):
        return mark.is_file()
    return mark.stat().st_mtime_ns >= started.stat().st_mtime_ns


def describe_progress(runner: Runner, epoch: int, iteration: int) -> str:
    """Return where a run stands, such as ``'in epoch 2, after iteration 7 in total'``."""
    if not iteration:
        return 'before the first iteration'
    where = f'after iteration {iteration} in total'
    if not isinstance(runner.train_loop, EpochBasedTrainLoop):
        return where
    if iteration == epoch * len(runner.train_dataloader):
        return f'after epoch {epoch}, {where}'
    return f'in epoch {epoch + 1}, {where}'


class ProtectWorkersHook(Hook):
    """Keep data workers alive while they are needed, when all processes get SIGTERM."""

    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Protect the workers of training and validation."""
        for loop in (runner.train_loop, runner.val_loop):
            if loop is not None:
                self._protect(loop.dataloader)

    def before_test(self, runner: Runner) -> None:
        """Protect the workers of the test."""
        self._protect(runner.test_loop.dataloader)

    def _before_epoch(self, *args: Any, **kwargs: Any) -> None:
        """Block the signal while data workers start, since they inherit the mask."""
        hold_sigterm(True)

    def _before_iter(self, *args: Any, **kwargs: Any) -> None:
        """Unblock the signal."""
        hold_sigterm(False)

    def _protect(self, loader: DataLoader[Any]) -> None:
        loader.worker_init_fn = partial(ignore_sigterm, loader.worker_init_fn, os.getpid())


class TerminationHook(ProtectWorkersHook):
    """Save a checkpoint and stop when a process of the job gets SIGTERM.

    The current update or validation is completed first. Further SIGTERMs have no effect: a
    scheduler sends one to each process, and torchrun sends another one.
    """

    def __init__(self) -> None:
        self.requested = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signal during a block."""
        previous = _handle_sigterm(self._request_stop)
        try:
            with unblock_sigterm():
                yield
        except RunStoppedError:
            previous = signal.SIG_IGN  # another SIGTERM would change the exit status
            end_workers()
            raise
        except RuntimeError as error:
            if not (self.requested and str(error).startswith('DataLoader worker')):
                raise
            previous = signal.SIG_IGN
            end_workers()
            raise RunStoppedError(
                'stopped by SIGTERM, which also ended the data workers; run again with --resume'
            ) from error
        finally:
            _handle_sigterm(previous)
        # The signal came after the last checkpoint; raise it again for the caller.
        if self.requested and callable(previous) and previous is not end_at_sigterm:
            signal.raise_signal(signal.SIGTERM)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop after an iteration that completes an update."""
        done = runner.iter + 1
        if done % runner.cfg.optim_wrapper.get('accumulative_counts', 1) == 0:
            self._stop_if_requested(runner, runner.epoch, done)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Stop after a validation."""
        self._stop_if_requested(runner, runner.epoch, runner.iter)

    def _request_stop(self, *_: Any) -> None:
        self.requested = True

    def _stop_if_requested(self, runner: Runner, epoch: int, iteration: int) -> None:
        requested = torch.tensor(int(self.requested), device=get_comm_device())
        all_reduce(requested, 'max')
        if not requested:
            return
        runner.save_checkpoint(
            runner.work_dir,
            STOPPED,
            meta=dict(epoch=epoch, iter=iteration),
            backend_args=SAFE_BACKEND,
        )
        path = Path(runner.work_dir, STOPPED)
        if is_main_process():
            with write_atomically(path.with_name(LAST)) as file:
                file.write(str(path).encode())
        if os.environ.get('LOCAL_RANK') == '0':
            _stop_torchrun()
        barrier()  # srun and torchrun kill the other processes when one exits
        raise RunStoppedError(
            f'stopped by SIGTERM {describe_progress(runner, epoch, iteration)}; saved {path}: run '
            'again with --resume'
        )


def _stop_torchrun() -> None:
    """Stop torchrun from restarting the processes of the job."""
    if is_distributed() and is_torchelastic_launched():
        os.kill(os.getppid(), signal.SIGTERM)


@contextmanager
def stop_on_sigterm(cure: str = 'run again with --resume') -> Iterator[None]:
    """Stop at once at SIGTERM during a block, except where :class:`TerminationHook` handles it.

    Args:
        cure: How to resume, for the message. Defaults to ``--resume``.

    Raises:
        RunStoppedError: If the signal comes.
    """

    def stop(*_: Any) -> None:
        _handle_sigterm(signal.SIG_IGN)  # another one would change the exit status
        _stop_torchrun()
        raise _Terminated

    previous = _handle_sigterm(stop)
    try:
        yield
    except RunStoppedError:
        previous = signal.SIG_IGN
        raise
    except _Terminated:
        previous = signal.SIG_IGN
        end_workers()
        raise RunStoppedError(f'stopped by SIGTERM; {cure}') from None
    finally:
        _handle_sigterm(previous)


def _handle_sigterm(handler: Any) -> Any:
    """Set the handler of the signal, and return the previous one. Only the main thread can."""
    if threading.current_thread() is threading.main_thread():
        return signal.signal(signal.SIGTERM, handler)
    return signal.getsignal(signal.SIGTERM)


class _Terminated(BaseException):  # not an Exception, which would count as an unreadable image
    pass
