"""Log the progress, the speed and the time left of a run in one line."""

import time
from datetime import timedelta
from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook, IterTimerHook
from mmengine.runner import LogProcessor, Runner
from mmpretrain.registry import HOOKS, LOG_PROCESSORS

_WINDOW = 10  # steps; mmengine averages the loss and the times of training over as many
_KEPT = 50_000  # steps; an epoch of ImageNet in batches of 32 has fewer
_SPEED = 'images_per_second'
_TIMES = ('time', 'data_time')
#: The mean loss of an epoch, in what the log has for programs on its last step.
EPOCH_LOSS = 'epoch_loss'
# Values that the line of a step formats separately or leaves out.
_KNOWN = ('epoch', 'iter', 'lr', 'base_lr', 'memory', EPOCH_LOSS, *_TIMES, _SPEED)


@HOOKS.register_module()
class ThroughputHook(IterTimerHook):
    """mmengine's timer, which also measures images per second, and includes pauses in the ETA.

    ``images_per_second`` is the throughput of all processes together: over the last ten steps in
    training, and over all steps in validation and testing. The first step of an epoch is left out,
    unless it is the only one, since workers and kernels start in it. The ETA of training comes from
    the wall-clock time since the first step, so it includes validation and checkpoints.
    """

    def __init__(self) -> None:
        super().__init__()
        # For each mode: cumulative images and seconds of the epoch, after each step that counts.
        self._done: dict[str, list[tuple[int, float]]] = {}

    def before_train(self, runner: Runner) -> None:
        """Reset the estimate of the time left."""
        super().before_train(runner)
        self._first: tuple[int, float] | None = None

    def _before_epoch(self, runner: Runner, mode: str = 'train') -> None:
        super()._before_epoch(runner, mode)
        self._done[mode] = [(0, 0.0)]

    def _after_epoch(self, runner: Runner, mode: str = 'train') -> None:
        super()._after_epoch(runner, mode)
        self.t = time.time()  # in training by iterations, a training step may come next

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = 'train',
    ) -> None:
        super()._after_iter(runner, batch_idx, data_batch, outputs, mode)
        hub = runner.message_hub
        done = self._done[mode]
        batch = data_batch['data_samples'] if mode == 'train' else outputs
        seconds = hub.get_scalar(f'{mode}/time').current()
        done.append((done[-1][0] + len(batch) * get_world_size(), done[-1][1] + seconds))
        if len(done) > 2 and done[0][0] == 0:
            del done[0]  # drops the first step
        if mode == 'train':
            del done[: -_WINDOW - 1]
        else:
            del done[1:-1]
        images, seconds = (b - a for a, b in zip(done[0], done[-1], strict=True))
        # Not a scalar: mmengine keeps scalars of every step, and saves them in each checkpoint.
        hub.update_info(_SPEED, images / seconds)
        if mode == 'train':
            self._estimate_end(runner)

    def _estimate_end(self, runner: Runner) -> None:
        now = time.time()
        if self._first is None:
            self._first = runner.iter, now
            return
        step, start = self._first
        pace = (now - start) / (runner.iter - step)
        runner.message_hub.update_info('eta', pace * (runner.max_iters - runner.iter - 1))


class HistoryHook(Hook):
    """Keep scalars, such as the loss, of the last 50,000 steps only.

    mmengine keeps a million, copies them all at each step, and saves them all in each checkpoint.
    Log processors need the last ten. ``scalars.json`` has those of all steps.
    """

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Limit the history of all scalars, new ones included."""
        for scalar in runner.message_hub.log_scalars.values():
            scalar.max_length = _KEPT


@LOG_PROCESSORS.register_module()
class ProgressLogProcessor(LogProcessor):
    """Write short lines for people; the values for programs stay mmengine's.

    ``epoch 3/20  step 10/23  loss 0.412  lr 0.05  1,234 images/s  data 3 %  ETA 0:01:12``, followed
    by the peak memory on a GPU. A step is one batch of a process, also when gradients are
    accumulated. "data" is the share of the time spent waiting for data.

    The arguments are those of :class:`mmengine.runner.LogProcessor`.
    """

    def get_log_after_iter(
        self, runner: Runner, batch_idx: int, mode: str
    ) -> tuple[dict[str, Any], str]:
        """Return the log of a step.

        Args:
            runner: The runner.
            batch_idx: The index of the batch in the epoch.
            mode: ``'train'``, ``'val'`` or ``'test'``.

        Returns:
            The values for programs, and the line. On the last step of an epoch, the values have
            its mean loss, since the window of the others may begin in the epoch before.
        """
        tag, _ = super().get_log_after_iter(runner, batch_idx, mode)
        self._add_speed(runner, mode, tag)
        if mode == 'train' and self.by_epoch:
            self._add_epoch_loss(runner, batch_idx, tag)
        values = {self._remove_prefix(name, f'{mode}/'): value for name, value in tag.items()}
        parts = [self._position(runner, batch_idx, mode)]
        if mode == 'train':
            parts += [f'{name} {value:.4g}' for name, value in values.items() if name not in _KNOWN]
            # The base rate; "lr" is that of the first parameter group, which may have a multiplier.
            parts.append(f'lr {values.get("base_lr", values["lr"]):.4g}')
        if _SPEED in values:
            parts.append(f'{values[_SPEED]:,.0f} images/s')
        if 'time' in values:
            parts.append(f'data {100 * values["data_time"] / values["time"]:.0f} %')
            parts.append(f'ETA {timedelta(seconds=round(runner.message_hub.get_info("eta")))}')
        if 'memory' in values:
            parts.append(f'{values["memory"] / 1024:.1f} GiB')
        return tag, '  '.join(parts)

    def get_log_after_epoch(
        self, runner: Runner, batch_idx: int, mode: str, with_non_scalar: bool = False
    ) -> tuple[dict[str, Any], str]:
        """Return the log of a validation or a test.

        Args:
            runner: The runner.
            batch_idx: The number of batches.
            mode: ``'val'`` or ``'test'``.
            with_non_scalar: Whether the values for programs include metrics that are not single
                numbers. Defaults to False.

        Returns:
            The values for programs, and the text. In validation the names of times begin with
            ``val/``, to keep them apart from those of training. The text is a line, followed by
            metrics that are not single numbers. The text of a test leaves out matrices.
        """
        tag, _ = super().get_log_after_epoch(runner, batch_idx, mode, with_non_scalar)
        self._add_speed(runner, mode, tag)
        values = {self._remove_prefix(name, f'{mode}/'): value for name, value in tag.items()}
        others = self._collect_non_scalars(runner, mode)
        others = {self._remove_prefix(name, f'{mode}/'): value for name, value in others.items()}
        parts = [self._position(runner, None, mode)]
        parts += [f'{k}: {v:.4f}' for k, v in values.items() if k not in {*_KNOWN, *others}]
        if _SPEED in values:
            parts.append(f'{values[_SPEED]:,.0f} images/s')
        lines = ['  '.join(parts)]
        for name, value in others.items():
            if isinstance(value, list):
                lines.append(f'{name}: {" ".join(f"{number:.4g}" for number in value)}')
            elif mode == 'val':
                lines.append(f'{name}:\n{value}')
        if mode == 'val':
            for name in (*_TIMES, _SPEED):
                if name in tag:
                    tag[f'val/{name}'] = tag.pop(name)
        return tag, '\n'.join(lines)

    def _add_speed(self, runner: Runner, mode: str, tag: dict[str, Any]) -> None:
        speed = runner.message_hub.get_info(_SPEED)
        if speed is not None:
            tag[f'{mode}/{_SPEED}' if self.log_with_hierarchy else _SPEED] = speed

    def _add_epoch_loss(self, runner: Runner, batch_idx: int, tag: dict[str, Any]) -> None:
        steps = self._get_dataloader_size(runner, 'train')
        loss = runner.message_hub.log_scalars.get('train/loss')
        if loss is not None and batch_idx + 1 == steps:
            name = f'train/{EPOCH_LOSS}' if self.log_with_hierarchy else EPOCH_LOSS
            tag[name] = float(loss.mean(steps))

    def _position(self, runner: Runner, batch_idx: int | None, mode: str) -> str:
        parts = [] if mode == 'train' else [mode]
        epoch = self._get_epoch(runner, mode) if self.by_epoch and mode != 'test' else 0
        if epoch:  # it is 0 in a validation without training
            parts.append(f'epoch {epoch:>{len(str(runner.max_epochs))}}/{runner.max_epochs}')
        if batch_idx is not None:
            if mode == 'train' and not self.by_epoch:
                step, steps = runner.iter + 1, runner.max_iters
            else:
                step, steps = batch_idx + 1, self._get_dataloader_size(runner, mode)
            parts.append(f'step {step:>{len(str(steps))}}/{steps}')
        return '  '.join(parts)
