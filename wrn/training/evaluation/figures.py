"""Plot the confusion matrix of a test report."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NUMBERS = 20  # classes; with more, counts are illegible
_MOST_NAMES = 100  # classes; with more, names are illegible


def draw_confusion(confusion: np.ndarray, classes: Sequence[str]) -> 'Figure':
    """Plot a confusion matrix.

    Unlike in mmpretrain's ``ConfusionMatrix.plot``, the color of a cell is its share of the row.
    Colors by count make a small class look like a bad one. Names and counts that would be illegible
    are left out.

    Args:
        confusion: The number of images by true class (rows) and predicted class (columns), of
            shape ``(C, C)``.
        classes: The class names.

    Returns:
        The plot.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    count = len(confusion)
    share = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = min(max(3.0, 0.5 * count), 12.0)
    figure = Figure(figsize=(side + 2, side + 1), layout='constrained', dpi=150)
    axes = figure.subplots()
    # A square root scale makes an error rate of 1 % visible.
    image = axes.imshow(share, cmap='Blues', norm=PowerNorm(0.5, 0, 100), interpolation='nearest')
    figure.colorbar(image, ax=axes, label='% of the class', shrink=0.8)
    axes.set(xlabel='predicted', ylabel='true')
    if count <= _MOST_NAMES:
        size = min(9.0, 0.8 * 72 * side / count)
        names = [name if len(name) <= 24 else f'{name[:23]}…' for name in classes]
        axes.set_xticks(range(count), names, rotation=90, fontsize=size, parse_math=False)
        axes.set_yticks(range(count), names, fontsize=size, parse_math=False)
    if count <= _MOST_NUMBERS:
        for i, j in zip(*confusion.nonzero(), strict=True):
            color = 'white' if share[i, j] > 40 else 'black'
            axes.text(j, i, confusion[i, j], ha='center', va='center', color=color, fontsize=8)
    return figure
