"""Plot the confusion matrix of a test report."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wrn.training.evaluation.plot_text import break_lines, shorten, text_color
from wrn.training.evaluation.proportion import Proportion
from wrn_base.percent import format_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_MOST = 40  # classes; with more, names and counts are illegible
_WORST = 30  # classes that are shown of more
_MOST_PERCENTAGES = 12  # rows that have room for them below the counts
_EMPTY = '0.85'  # gray, of cells that have no percentage
_TICKS = (0, 1, 5, 20, 50, 100)  # percent
_ASPECT = 0.62  # of a digit: its width by its size


def draw_confusion(confusion: np.ndarray, classes: Sequence[str]) -> 'Figure':
    """Plot a confusion matrix.

    Unlike in mmpretrain's ``ConfusionMatrix.plot``, the color of a cell is its share of the row.
    Colors by count make a small class look like a bad one. Of more than 40 classes, those that are
    confused most often are shown, and the others are summed up.

    Args:
        confusion: The number of images by true class (rows) and predicted class (columns), of
            shape ``(C, C)``.
        classes: The class names, of any length and script.

    Returns:
        The plot.
    """
    from matplotlib.figure import Figure

    count = len(confusion)
    chosen = list(range(count)) if count <= _MOST else _find_confused(confusion)
    others = count - len(chosen)
    names, note = shorten([classes[i] for i in chosen], chosen)
    notes = [note] if note else []
    shown = confusion
    if others:
        shown, names = _sum_up(confusion, chosen), [*names, f'{others:,} others']
        notes.append(
            f'The {len(chosen)} of {count:,} classes that are confused most often; the others are '
            'summed up, and confusion.csv has all'
        )
    totals = np.repeat(shown.sum(axis=1, keepdims=True), len(shown), axis=1)
    share = np.ma.masked_where(totals == 0, 100 * shown / np.maximum(totals, 1), copy=False)
    if others:
        share[-1, -1] = np.ma.masked  # correct predictions and mistakes among the others
    if share.mask.any():
        notes.append('Gray: no image of the class' + (', or among the others' if others else ''))
    side = min(max(3.0, 0.6 * len(shown)), 12.0)
    width = side + 3.4
    figure = Figure(figsize=(width, side + 3), layout='constrained', dpi=150)
    axes = figure.subplots()
    image = _draw_cells(axes, share)
    figure.colorbar(image, ax=axes, label='% of the images of the class', shrink=0.8, ticks=_TICKS)
    size = min(9.0, 0.8 * 72 * side / len(shown))
    axes.set_xticks(range(len(shown)), names, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(range(len(shown)), names, fontsize=size, parse_math=False)
    axes.set(xlabel='predicted', ylabel='true')
    _write_counts(axes, image, shown, share, 72 * side / len(shown))
    figure.suptitle(break_lines(_make_title(confusion), width, 11), fontsize=11)
    if notes:
        text = break_lines('\n'.join(notes), width)
        figure.supxlabel(text, fontsize=8, x=0.02, ha='left', parse_math=False)
    return figure


def _make_title(confusion: np.ndarray) -> str:
    total = int(confusion.sum())
    if not total:
        return 'Confusion matrix: no images'
    return f'Confusion matrix\naccuracy {Proportion(int(confusion.trace()), total)}'


def _find_confused(confusion: np.ndarray) -> list[int]:
    """Return the classes of the most frequent confusions, in their order."""
    mistakes = confusion.astype(np.int64)
    np.fill_diagonal(mistakes, 0)
    chosen: dict[int, None] = {}
    for place in np.argsort(-mistakes, axis=None, kind='stable').tolist():
        pair = divmod(place, len(confusion))
        if not mistakes[pair] or len({*chosen, *pair}) > _WORST:
            break
        chosen |= dict.fromkeys(pair)
    for i in range(len(confusion)):  # without so many mistakes, the first classes
        if len(chosen) >= _WORST:
            break
        chosen.setdefault(i)
    return sorted(chosen)


def _sum_up(confusion: np.ndarray, chosen: list[int]) -> np.ndarray:
    """Return the rows and columns of the chosen classes, and a last one for all others."""
    others = np.setdiff1d(np.arange(len(confusion)), chosen)
    rows = np.concatenate([confusion[chosen], confusion[others].sum(axis=0, keepdims=True)])
    return np.concatenate([rows[:, chosen], rows[:, others].sum(axis=1, keepdims=True)], axis=1)


def _draw_cells(axes: 'Axes', share: np.ma.MaskedArray) -> 'AxesImage':
    from matplotlib import colormaps
    from matplotlib.colors import PowerNorm

    # One hue from light to dark, which the color-blind can read. A square root scale makes an
    # error rate of 1 % visible.
    cmap = colormaps['Blues'].with_extremes(bad=_EMPTY)
    image = axes.imshow(share, cmap=cmap, norm=PowerNorm(0.5, 0, 100), interpolation='nearest')
    edges = np.arange(len(share) + 1) - 0.5
    axes.set_xticks(edges, minor=True)
    axes.set_yticks(edges, minor=True)
    axes.grid(which='minor', color='0.9', linewidth=0.5)
    axes.tick_params(which='minor', length=0)
    return image


def _format_share(share: float) -> str:
    return format_percent(share, 0 if share in (0, 100) else 1)


def _write_counts(
    axes: 'Axes', image: 'AxesImage', counts: np.ndarray, share: np.ma.MaskedArray, points: float
) -> None:
    """Write the count of each cell, and its percentage if there is room, in a color to read."""
    percentages = share.compressed() if len(counts) <= _MOST_PERCENTAGES else ()
    longest = max(map(len, [f'{counts.max()}', *map(_format_share, percentages)]))
    size = min(9.0, 0.9 * points / (_ASPECT * longest))
    colors = image.to_rgba(share)
    for i, j in zip(*counts.nonzero(), strict=True):
        text = str(counts[i, j])
        if len(counts) <= _MOST_PERCENTAGES and not np.ma.is_masked(share[i, j]):
            text += f'\n{_format_share(share[i, j])}'
        color = text_color(colors[i, j])
        axes.text(j, i, text, ha='center', va='center', color=color, fontsize=size)
