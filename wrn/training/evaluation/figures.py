"""Draw what a test found out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NUMBERS = 20  # classes, of which the numbers and the names can be read
_MOST_NAMES = 100


def draw_confusion(confusion: np.ndarray, classes: Sequence[str]) -> 'Figure':
    """Draw a confusion matrix.

    mmpretrain's ``ConfusionMatrix.plot`` writes every name beside and above the matrix, whatever
    its size, and colours by number, so that a small class looks like a bad one.

    Args:
        confusion: Of shape ``(C, C)``: how many pictures of each class, in rows, are predicted as
            each.
        classes: The names of the classes.

    Returns:
        The figure: each row is coloured by the share of its pictures.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    count = len(confusion)
    share = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = min(max(3.0, 0.5 * count), 12.0)
    figure = Figure(figsize=(side + 2, side + 1), layout='constrained', dpi=150)
    axes = figure.subplots()
    # The square root makes a mistake that one in a hundred pictures meets visible.
    image = axes.imshow(share, cmap='Blues', norm=PowerNorm(0.5, 0, 100), interpolation='nearest')
    figure.colorbar(image, ax=axes, label='% of the class', shrink=0.8)
    axes.set(xlabel='predicted', ylabel='true')
    if count <= _MOST_NAMES:
        size = min(9.0, 0.8 * 72 * side / count)
        names = [name if len(name) <= 24 else f'{name[:23]}…' for name in classes]
        axes.set_xticks(range(count), names, rotation=90, fontsize=size, parse_math=False)
        axes.set_yticks(range(count), names, fontsize=size, parse_math=False)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if count <= _MOST_NUMBERS:
        for i, j in zip(*confusion.nonzero(), strict=True):
            colour = 'white' if share[i, j] > 40 else 'black'
            axes.text(j, i, confusion[i, j], ha='center', va='center', color=colour, fontsize=8)
    return figure
