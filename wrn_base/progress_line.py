"""Format the progress of a run as one line that fits the terminal."""

from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size

from wrn_base.percent import format_percent
from wrn_base.run_progress import Epoch, Step

_GAP = '  '
_MANY = 3000  # images, which tell hundredths of a percent apart
_COUNTED = dict(train='step', val='val step', test='test step', features='features of image')
# Metrics of mmpretrain in percent, of which a higher value is better.
_PERCENT = ('accuracy', 'precision', 'recall', 'f1-score', 'map')


def fit(parts: Iterable[tuple[int, str]], width: int | None) -> str:
    """Join parts to a line; leave out the least important ones until it fits.

    Args:
        parts: The importance and the text of each part, in the order of the line. Empty texts are
            left out.
        width: The number of columns; None if any number fits.

    Returns:
        The line. If even the most important part is too long, its end is cut off.
    """
    kept = [(importance, text) for importance, text in parts if text]
    while width is not None and len(kept) > 1 and cell_len(_join(kept)) > width:
        kept.remove(min(kept, key=lambda part: part[0]))
    line = _join(kept)
    return line if width is None or cell_len(line) <= width else set_cell_size(line, width)


def _join(parts: list[tuple[int, str]]) -> str:
    return _GAP.join(text for _, text in parts)


def step_parts(step: Step, seconds_left: float | None) -> list[tuple[int, str]]:
    """Return the parts of the line of a step, for :func:`fit`.

    Args:
        step: The step.
        seconds_left: The time left, which may have passed since the step was reported.
    """
    epoch = step.epoch and f'epoch {_of(step.epoch, step.epochs)}'
    rate, left = step.images_per_second, seconds_left
    return [
        (9, epoch or ''),
        (6, f'{_COUNTED[step.task]} {_of(step.step, step.steps)}'),
        (7, '' if step.loss is None else f'loss {_loss(step.loss)}'),
        (5, '' if rate is None else f'{rate:,.{0 if rate >= 10 else 1}f} images/s'),
        (8, '' if left is None else f'{clock(left)} left'),
    ]


def epoch_parts(epoch: Epoch, seconds_left: float | None = None) -> list[tuple[int, str]]:
    """Return the parts of the line of a finished epoch, for :func:`fit`.

    Args:
        epoch: The epoch.
        seconds_left: The time left, which the last line of a run leaves out. Defaults to None:
            it is shown elsewhere.
    """
    parts = [(9, f'{epoch.unit} {_of(epoch.number, epoch.total)}')]
    if epoch.loss is not None:
        parts.append((7, f'loss {_loss(epoch.loss)}'))
    if epoch.metric is not None:
        name, images = epoch.metric, epoch.images
        parts.append((8, f'{name} {format_metric(name, epoch.value, images)}'))
        if epoch.best is not None:
            parts.append((6, f'best {format_metric(name, epoch.best, images)}'))
    if epoch.rate is not None:
        parts.append((5, f'lr {epoch.rate:.3e}'))
    if seconds_left is not None and epoch.number != epoch.total and not epoch.stopped:
        parts.append((4, f'{clock(seconds_left)} left'))
    return parts


def is_percent(metric: str) -> bool:
    """Return whether a metric of mmpretrain is in percent, and the higher the better.

    Args:
        metric: Its name, such as ``'accuracy/top1'``.
    """
    return any(name in metric.lower() for name in _PERCENT)


def format_metric(metric: str, value: float, images: int) -> str:
    """Return the value of a metric with the digits that so many images can tell apart.

    Args:
        metric: The name of the metric.
        value: The value.
        images: The number of images; 0 if it is unknown.
    """
    if not is_percent(metric):
        return _number(value)
    return format_percent(value, 1 if 0 < images < _MANY else 2)


def clock(seconds: float) -> str:
    """Return a duration as on a clock, such as ``'1:23'`` or ``'1:02:03'``."""
    minutes, seconds = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{seconds:02}' if hours else f'{minutes}:{seconds:02}'


def about(seconds: float) -> str:
    """Return a duration in the digits of an estimate, such as ``'about 1 h 20 min'``."""
    if seconds < 100:
        return f'about {max(round(seconds), 1)} s'
    minutes = round(seconds / 60)
    if minutes < 100:
        return f'about {minutes} min'
    hours, minutes = divmod(round(minutes, -1), 60)
    if hours < 10:
        return f'about {hours} h' + (f' {minutes} min' if minutes else '')
    hours = round(seconds / 3600)
    return f'about {hours} h' if hours < 100 else f'about {round(hours / 24)} days'


def _of(number: int, total: int | None) -> str:
    return f'{number:>{len(str(total))}}/{total}'


def _loss(value: float) -> str:
    """Return a loss in a column of one width, unless it is unusually small or large."""
    return f'{value:.4f}' if 1e-3 <= abs(value) < 1e3 else f'{value:.3g}'


def _number(value: float) -> str:
    return f'{value:.4g}'
