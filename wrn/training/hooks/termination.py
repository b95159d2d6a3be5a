"""Stop a run cleanly: when a scheduler says so, and when the loss is no number."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce, barrier, is_distributed, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.distributed import is_torchelastic_launched
from torch.utils.data import DataLoader

from wrn.training.hooks.safe_checkpoints import SAFE_BACKEND
from wrn.utils.errors import RunStoppedError, WrnError
from wrn.utils.files import write_atomically

_CHECKPOINT = 'stopped.pth'


@contextmanager
def unblock_sigterm() -> Iterator[None]:
    """Take SIGTERM again after a block that may have ended while data workers were starting."""
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


class OutlivingHook(Hook):
    """Let data workers live as long as they are needed, when all processes get SIGTERM."""

    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Let those that train and validate outlive it."""
        for loop in (runner.train_loop, runner.val_loop):
            if loop is not None:
                self._outlive(loop.dataloader)

    def before_test(self, runner: Runner) -> None:
        """Let those that test outlive it."""
        self._outlive(runner.test_loop.dataloader)

    def _before_epoch(self, *args: Any, **kwargs: Any) -> None:
        """Block the signal while data workers start, which inherit that."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def _before_iter(self, *args: Any, **kwargs: Any) -> None:
        """Take it again."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _outlive(self, loader: DataLoader) -> None:
        loader.worker_init_fn = partial(outlive_sigterm, loader.worker_init_fn, os.getpid())


class TerminationHook(OutlivingHook):
    """Save a checkpoint and end when a process of the job gets SIGTERM.

    The iteration, the update or the validation at hand is brought to its end first. Further
    SIGTERMs change nothing: a scheduler sends one to each process, and torchrun another.
    """

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for the signal as long as a block lasts."""
        afterwards = signal.signal(signal.SIGTERM, self._ask)
        try:
            with unblock_sigterm():
                yield
        except RunStoppedError:
            afterwards = signal.SIG_IGN  # or another one would change its exit code
            _end_workers()
            raise
        finally:
            signal.signal(signal.SIGTERM, afterwards)
        if self.asked and callable(afterwards):  # too late for a checkpoint: of what comes next
            os.kill(os.getpid(), signal.SIGTERM)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop after the iteration, if it ends an update."""
        done = runner.iter + 1
        if done % runner.cfg.optim_wrapper.get('accumulative_counts', 1) == 0:
            self._stop_if_asked(runner, runner.epoch, done)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Stop after a validation."""
        self._stop_if_asked(runner, runner.epoch, runner.iter)

    def _ask(self, *_: Any) -> None:
        self.asked = True

    def _stop_if_asked(self, runner: Runner, epoch: int, iteration: int) -> None:
        asked = torch.tensor(int(self.asked), device=get_device())
        all_reduce(asked, 'max')
        if not asked:
            return
        runner.save_checkpoint(
            runner.work_dir,
            _CHECKPOINT,
            meta=dict(epoch=epoch, iter=iteration),
            backend_args=SAFE_BACKEND,
        )
        path = Path(runner.work_dir, _CHECKPOINT)
        if is_main_process():
            with write_atomically(path.with_name('last_checkpoint')) as file:
                file.write(str(path).encode())
        if os.environ.get('LOCAL_RANK') == '0':
            _stop_torchrun()
        barrier()  # when one ends, srun and torchrun kill the others, though they still save
        raise RunStoppedError(
            f'stopped by SIGTERM in epoch {epoch + 1}, after iteration {iteration} of all; {path} '
            'has all that is done: go on with --resume'
        )


def _stop_torchrun() -> None:
    """Let torchrun not start the processes of the job again."""
    if is_distributed() and is_torchelastic_launched():
        os.kill(os.getppid(), signal.SIGTERM)


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """End at once at SIGTERM as long as a block lasts, but where it is listened to otherwise.

    Raises:
        RunStoppedError: At the signal.
    """

    def end(*_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # or another would change its exit code
        _stop_torchrun()
        raise _Terminated

    afterwards = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except RunStoppedError:
        afterwards = signal.SIG_IGN
        raise
    except _Terminated:
        afterwards = signal.SIG_IGN
        _end_workers()
        raise RunStoppedError('stopped by SIGTERM: go on with --resume') from None
    finally:
        signal.signal(signal.SIGTERM, afterwards)


class _Terminated(BaseException):  # which nobody takes for a picture that cannot be read
    pass


class FiniteLossHook(Hook):
    """Stop at a loss that is not finite, before averages and checkpoints take its weights in.

    Weights that are not finite have had no loss yet: a checkpoint stops at them, too.
    """

    priority = 'VERY_HIGH'

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Check the loss of the iteration."""
        loss = (outputs or {}).get('loss')
        if loss is not None and not torch.isfinite(loss):
            batch = f'in epoch {runner.epoch + 1}, batch {batch_idx + 1}'
            self._stop(runner, f'the loss is {loss.item()} {batch}')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Check the weights."""
        for name, weight in checkpoint['state_dict'].items():
            if not weight.isfinite().all():
                self._stop(runner, f'{name} is no longer finite in epoch {runner.epoch + 1}')

    def _stop(self, runner: Runner, reason: str) -> None:
        raise WrnError(
            f'{runner.cfg.filename}: {reason}; the checkpoints before it, if any, are good: go on '
            'with --resume and clipped gradients (optim_wrapper.clip_grad), or start from the '
            'weights of one (load_from) with a lower learning rate (optim_wrapper.optimizer.lr), '
            'or look for bad values in the data'
        )


def outlive_sigterm(initialise: Callable[[int], None] | None, trainer: int, worker_id: int) -> None:
    """Let a data worker outlive the signal that schedulers send to all processes of a job.

    The training process needs it until the iteration, or the validation, is done. It ends it by
    the same signal, which the worker has blocked from its start.

    Args:
        initialise: What else there is to do when a worker starts.
        trainer: The id of the training process.
        worker_id: The number of the worker.
    """
    threading.Thread(target=_end_by, args=(trainer,), daemon=True).start()
    if initialise is not None:
        initialise(worker_id)


def _end_by(trainer: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != trainer:
        pass
    os._exit(0)


def _end_workers() -> None:
    """End the data workers.

    At its exit Python signals them once and waits for them. That is lost if another SIGTERM is on
    the way to them just then.
    """
    for worker in multiprocessing.active_children():
        for _ in range(50):
            if not worker.is_alive():
                break
            worker.terminate()
            worker.join(0.1)
        worker.kill()  # what has not started to listen
