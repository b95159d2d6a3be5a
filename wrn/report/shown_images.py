"""Choose the images that a page shows."""

from collections.abc import Mapping

import numpy as np

from wrn.training.evaluation.image_results import ImageResults, sample_evenly

_IN_GALLERY = 24
_IN_CELL = 12
_IN_CELLS = 1000  # of all cells together


def find_worst(results: ImageResults) -> np.ndarray:
    """Return the positions of the wrong predictions with the highest loss, the highest first."""
    wrong = np.flatnonzero(~results.correct)
    return wrong[np.argsort(-results.losses[wrong], kind='stable')][:_IN_GALLERY]


def find_least_certain(results: ImageResults) -> np.ndarray:
    """Return the positions of the predictions with the lowest probability, the lowest first."""
    return np.argsort(results.top_scores[:, 0], kind='stable')[:_IN_GALLERY]


def sample_correct(results: ImageResults) -> np.ndarray:
    """Return the positions of correct predictions, evenly spread over the dataset."""
    correct = np.flatnonzero(results.correct)
    return correct[sample_evenly(len(correct), _IN_GALLERY)]


def find_cells(results: ImageResults) -> Mapping[tuple[int, int], np.ndarray]:
    """Return the images to show of each cell of the confusion matrix.

    Args:
        results: The results.

    Returns:
        The positions of at most 12 images by true and predicted class, those with the highest loss
        first. Wrong predictions come before correct ones, and full cells before others, up to 1,000
        images.
    """
    predicted = results.top_labels[:, 0]
    order = np.lexsort((-results.losses, predicted, results.labels))
    pairs = np.stack([results.labels[order], predicted[order]], axis=1)
    cells, starts, counts = np.unique(pairs, axis=0, return_index=True, return_counts=True)
    wrong_first = np.lexsort((-counts, cells[:, 0] == cells[:, 1]))
    chosen: dict[tuple[int, int], np.ndarray] = {}
    left = _IN_CELLS
    for i in wrong_first.tolist():
        number = min(counts[i], _IN_CELL, left)
        if number:
            true, guess = cells[i].tolist()
            chosen[true, guess] = order[starts[i] : starts[i] + number]
            left -= number
    return chosen
