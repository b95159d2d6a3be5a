"""Report the progress of a run to whoever shows it."""

import math
import time
from dataclasses import replace
from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from wrn.training.hooks.termination import describe_progress
from wrn.training.main_metric import MainMetric, find_main_metric
from wrn_base.errors import count
from wrn_base.progress_line import clock
from wrn_base.run_progress import Epoch, RunProgress, Step
from wrn_base.terminal import short_path

_WINDOW = 10  # steps that the loss and the throughput are means of, as in the log
_SOON = 3  # seconds and steps of training, after which the duration of the run is estimated
_VALIDATION = 1 / 3  # the time for an image in validation, as a share of that in training


class ShowProgressHook(Hook):
    """Report each step and epoch of training, validation and testing.

    The values are those that mmengine's hooks collect for the log.

    Args:
        progress: Receives them.

    Attributes:
        metric: The metric of the last validation; None before it.
    """

    priority = 'LOW'  # after the timer, and before the hook that may stop the run

    def __init__(self, progress: RunProgress) -> None:
        self.progress = progress
        self.metric: MainMetric | None = None
        self._pending: Epoch | None = None  # an epoch that may be validated yet

    def before_run(self, runner: Runner) -> None:
        """Report that the weights are being loaded."""
        self.progress.phase('loading the weights')

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Report that the network gets the weights, and perhaps a backend."""
        self.progress.phase('preparing the network')

    def before_test(self, runner: Runner) -> None:
        """Report that the test starts."""
        self.progress.phase('first step')

    def before_train(self, runner: Runner) -> None:
        """Report that the training starts, or where it resumes."""
        self._start = time.monotonic()
        self._resumed = self._reported = runner.iter, runner.epoch
        self._first: tuple[int, float] | None = None  # the first step here, and when it was done
        self._estimated = False
        if runner.iter:
            path = short_path(runner._load_from or runner.work_dir)
            done = describe_progress(runner, runner.epoch, runner.iter)
            self.progress.note(f'resuming from {path}, {done}')
        self.progress.phase('first step')

    def before_train_epoch(self, runner: Runner) -> None:
        """Report the epoch before, if it was not validated."""
        self._report_pending()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Report a step of training."""
        images = len((data_batch or {}).get('data_samples') or ()) * get_world_size()
        step, steps = batch_idx + 1, len(runner.train_dataloader)
        if not _by_epoch(runner):
            step, steps = runner.iter + 1, runner.max_iters
        self._report_step(
            runner,
            Step('train', step, steps, (runner.iter + 1) / runner.max_iters),
            images,
            loss=_mean(runner, 'train/loss', _WINDOW),
            seconds_left=runner.message_hub.get_info('eta'),
        )
        if not self._estimated:
            self._estimate(runner, images, last=step == steps)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Report a step of validation."""
        share = runner.iter / runner.max_iters
        step = Step('val', batch_idx + 1, len(runner.val_dataloader), share)
        self._report_step(runner, step, len(outputs or ()) * get_world_size())

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Report a step of the test."""
        steps = len(runner.test_dataloader)
        step = Step('test', batch_idx + 1, steps, (batch_idx + 1) / steps)
        left = runner.message_hub.get_info('eta')
        self._report_step(runner, step, len(outputs or ()) * get_world_size(), seconds_left=left)

    def after_train_epoch(self, runner: Runner) -> None:
        """Keep the values of the epoch until it is validated."""
        if _by_epoch(runner):
            self._pending = self._summarize(runner, runner.epoch + 1)
        elif runner.iter > self._reported[0]:
            self._pending = self._summarize(runner, runner.iter)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any] | None = None) -> None:
        """Report the epoch with its validation."""
        done = runner.epoch if _by_epoch(runner) else runner.iter
        epoch = self._pending or self._summarize(runner, done)
        self.metric = metric = find_main_metric(runner, metrics or {})
        if metric:
            images = len(runner.val_dataloader.dataset)
            epoch = replace(
                epoch, metric=metric.label, value=metric.value, best=metric.best, images=images
            )
        self._pending = replace(epoch, stopped=_stops(runner))
        self._report_pending()
        self._reported = runner.iter, runner.epoch

    def after_train(self, runner: Runner) -> None:
        """Report that the training is complete."""
        self._report_pending()
        by_epoch = _by_epoch(runner)
        number = runner.epoch if by_epoch else runner.iter
        done = number - self._resumed[by_epoch]
        unit = 'epoch' if by_epoch else 'step'
        text = f'{count(done, unit)} in {clock(time.monotonic() - self._start)}'
        if _stops(runner):
            total = runner.max_epochs if by_epoch else runner.max_iters
            text += f'; stopped early after {unit} {number} of {total}'
        self.progress.end(text if done else None)

    def after_test(self, runner: Runner) -> None:
        """Report that the test is complete."""
        self.progress.end()

    def _report_step(self, runner: Runner, step: Step, images: int, **values: Any) -> None:
        rate = runner.message_hub.get_info('images_per_second')
        if rate is None and (seconds := _mean(runner, f'{step.task}/time', _WINDOW)):
            rate = images / seconds  # the config has another timer than ours
        if step.task != 'test' and _by_epoch(runner):
            epoch = runner.epoch + (step.task == 'train')
            values.update(epoch=epoch, epochs=runner.max_epochs)
        self.progress.step(replace(step, images_per_second=rate, **values))

    def _summarize(self, runner: Runner, done: int) -> Epoch:
        by_epoch = _by_epoch(runner)
        steps = len(runner.train_dataloader) if by_epoch else runner.iter - self._reported[0]
        scalars = runner.message_hub.log_scalars
        rate = scalars.get('train/base_lr') or scalars.get('train/lr')
        return Epoch(
            done,
            runner.max_epochs if by_epoch else runner.max_iters,
            'epoch' if by_epoch else 'step',
            loss=_mean(runner, 'train/loss', max(steps, 1)),
            rate=rate and float(rate.current()),
        )

    def _report_pending(self) -> None:
        if self._pending:
            self.progress.epoch(self._pending)
        self._pending = None

    def _estimate(self, runner: Runner, images: int, last: bool) -> None:
        """Estimate how long the run takes, once some steps after the slow first one are done."""
        now = time.monotonic()
        if self._first is None:
            self._first = runner.iter, now
            return
        first, since = self._first
        steps = runner.iter - first
        if not last and (steps < _SOON or now - since < _SOON):
            return
        self._estimated = True
        pace = (now - since) / steps
        seconds = now - self._start + pace * (runner.max_iters - runner.iter - 1)
        by_epoch = _by_epoch(runner)
        todo = (runner.max_epochs if by_epoch else runner.max_iters) - self._resumed[by_epoch]
        if runner.val_loop is not None and images:
            runs = math.ceil(todo / runner.val_interval)
            shown = len(runner.val_dataloader.dataset)
            seconds += runs * shown * pace / images * _VALIDATION
        unit = 'epoch' if by_epoch else 'step'
        what = count(todo, unit)
        if self._resumed[0]:
            what = f'the remaining {what if todo > 1 else unit}'
        device = next(runner.model.parameters()).device
        self.progress.estimate(seconds, what, device.type == 'cpu')


def _by_epoch(runner: Runner) -> bool:
    return isinstance(runner.train_loop, EpochBasedTrainLoop)


def _stops(runner: Runner) -> bool:
    return bool(getattr(runner.train_loop, 'stop_training', False))  # another loop may not have it


def _mean(runner: Runner, name: str, steps: int) -> float | None:
    """Return the mean of a scalar over the last steps; None if there is no such scalar."""
    scalar = runner.message_hub.log_scalars.get(name)
    return None if scalar is None else float(scalar.mean(steps))
