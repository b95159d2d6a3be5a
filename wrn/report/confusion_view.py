"""The part of a confusion matrix that the page shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wrn_base.percent import MISSING, format_percent

#: The largest number of classes whose whole matrix is shown.
MOST_WHOLE = 30
_WORST = 20  # classes of a part of the matrix
_LISTED = {True: 10, False: 50}  # confusions, by whether the whole matrix is shown
_FAINT = 15  # percent of the strongest color: that of a single image


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix.

    Attributes:
        count: The number of images.
        percent: Their share of the row, with its unit.
        level: How strong the color is, from 0 to 100.
    """

    count: int
    percent: str
    level: int


@dataclass(frozen=True)
class Confusion:
    """Images of one class that are taken for another, and their share of the true class."""

    true: int
    predicted: int
    count: int
    percent: str


@dataclass(frozen=True)
class ConfusionView:
    """What the page shows of a confusion matrix.

    Attributes:
        classes: The indices of the classes of rows and columns, in the order of the dataset. If
            there are fewer than all, a last row and column sum up the others. Empty if there
            are too many for the whole matrix, and no mistake.
        rows: The cells.
        order: The position of each row and column if confused classes stand together; empty if
            that makes no difference.
        confusions: The most frequent confusions, the most frequent first.
        kinds: The number of different confusions.
        wrong: The number of images that are classified wrongly.
    """

    classes: Sequence[int]
    rows: Sequence[Sequence[Cell]]
    order: Sequence[int]
    confusions: Sequence[Confusion]
    kinds: int
    wrong: int


def view_confusion(matrix: np.ndarray) -> ConfusionView:
    """Select what the page shows.

    Args:
        matrix: The number of images by true class (rows) and predicted class (columns), ``(C, C)``.
    """
    whole = len(matrix) <= MOST_WHOLE
    mistakes = matrix.copy()
    np.fill_diagonal(mistakes, 0)
    true, predicted = mistakes.nonzero()
    counts = mistakes[true, predicted]
    frequent = np.argsort(-counts, kind='stable')
    if whole:
        classes, shown = np.arange(len(matrix)), matrix
    else:
        # The classes of the most frequent confusions, which the matrix then shows.
        pairs = np.column_stack([true[frequent], predicted[frequent]])[:_WORST].ravel().tolist()
        classes = np.array(sorted(list(dict.fromkeys(pairs))[:_WORST]), int)
        shown = _sum_others(matrix, classes)
    totals = shown.sum(axis=1)
    first = frequent[: _LISTED[whole]]
    support = matrix.sum(axis=1)
    return ConfusionView(
        classes=classes.tolist(),
        rows=[
            [_make_cell(n, total) for n in row]
            for row, total in zip(shown.tolist(), totals.tolist(), strict=True)
        ],
        order=_group(mistakes) if whole else (),
        confusions=[
            Confusion(t, p, n, format_percent(100 * n / total))
            for t, p, n, total in zip(
                true[first].tolist(),
                predicted[first].tolist(),
                counts[first].tolist(),
                support[true[first]].tolist(),
                strict=True,
            )
        ],
        kinds=len(true),
        wrong=int(mistakes.sum()),
    )


def _make_cell(count: int, total: int) -> Cell:
    share = count / total if total else 0.0
    # The start and the square root make an error rate of 1 % visible.
    level = round(_FAINT + (100 - _FAINT) * share**0.5)
    return Cell(count, format_percent(100 * share) if total else MISSING, level)


def _sum_others(matrix: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the matrix of some classes, with all others in the last row and column."""
    group = np.full(len(matrix), len(classes))
    group[classes] = np.arange(len(classes))
    rows = np.zeros((len(classes) + 1, len(matrix)), matrix.dtype)
    np.add.at(rows, group, matrix)
    summed = np.zeros((len(classes) + 1, len(classes) + 1), matrix.dtype)
    np.add.at(summed.T, group, rows.T)
    return summed


def _group(mistakes: np.ndarray) -> Sequence[int]:
    """Return the positions at which classes that are confused stand together."""
    from scipy.cluster.hierarchy import leaves_list, linkage  # slow to import
    from scipy.spatial.distance import squareform

    if len(mistakes) < 3 or not mistakes.any():
        return ()
    both = mistakes + mistakes.T
    distance = 1 - both / (both.max() + 1)
    np.fill_diagonal(distance, 0)
    order = leaves_list(linkage(squareform(distance), 'average', optimal_ordering=True))
    return () if (np.diff(order) == 1).all() else np.argsort(order).tolist()
