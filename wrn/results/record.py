"""What is known of an image after a prediction, as plain values."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from torch import Tensor


class Prediction(TypedDict, total=False):
    """One of the classes that a network takes an image for."""

    pred_label: int
    pred_score: float
    pred_class: str
    """The name of the class; missing if the names are unknown."""


class Record(TypedDict, total=False):
    """The results for one image. Only the keys that apply to it are present."""

    sample_idx: int
    """Its position in the dataset, if it is part of one."""
    img_path: str
    gt_label: int
    """The ground truth, and the name of that class."""
    gt_class: str
    error: str
    """Why it could not be read; there are no results then."""
    predictions: list[Prediction]
    """The best class first."""
    stages: dict[str, np.ndarray]
    """Features by the name of each stage, in float32."""


def best_classes(scores: Tensor, classes: Sequence[str] | None, topk: int) -> list[Prediction]:
    """Return the classes with the highest scores, the best first.

    Args:
        scores: The score of each class, ``(num_classes,)``.
        classes: The names of the classes, if they are known.
        topk: How many classes to return at most.
    """
    best = scores.topk(min(topk, len(scores)))
    predictions = []
    for score, label in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        prediction = Prediction(pred_label=label, pred_score=score)
        if classes:
            prediction['pred_class'] = classes[label]
        predictions.append(prediction)
    return predictions
