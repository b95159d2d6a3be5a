"""The results for one image, as plain values."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from torch import Tensor

from wrn_base.errors import WrnError


class Prediction(TypedDict, total=False):
    """A class that the network predicts, and its probability."""

    pred_label: int
    pred_score: float
    pred_class: str
    """The name of the class; missing if the names are unknown."""


class HeatMap(Prediction):
    """The files of the map of a class, which say where in an image its score comes from."""

    overlay: str
    """The name of the PNG with the map over the image."""
    raw_map: str
    """The name of the ``.npy`` with the map at the resolution of the layer."""
    is_blank: bool
    """Whether the map has no positive value, so that the overlay is the image."""


class Record(TypedDict, total=False):
    """The results for one image. Only the keys that apply to it are present."""

    sample_idx: int
    """The position of the image in its dataset."""
    img_path: str
    gt_label: int
    """The index of the true class."""
    gt_class: str
    """The name of the true class."""
    gt_labels: list[int]
    """The indices of the true classes, for a multi-label head."""
    gt_classes: list[str]
    """Their names."""
    error: str
    """Why the image could not be read. There are no results then."""
    predictions: list[Prediction]
    """The most probable class first."""
    pred_labels: list[int]
    """The indices of the classes that pass a multi-label head's threshold, the best first."""
    pred_classes: list[str]
    """Their names."""
    heat_map: str
    """The path of the PNG with the map of the most probable class over the image."""
    heat_maps: list[HeatMap]
    """The files of the explained classes."""
    sheet: str
    """The name of the PNG with the image and its maps of several classes, side by side."""
    stages: dict[str, np.ndarray]
    """Features by the name of each stage, in float32."""


def best_classes(scores: Tensor, classes: Sequence[str] | None, topk: int) -> list[Prediction]:
    """Return the most probable classes, the best first.

    Args:
        scores: The probability of each class, ``(num_classes,)``.
        classes: The names of the classes. None if they are unknown.
        topk: The largest number of classes to return.

    Raises:
        WrnError: If a probability is not a number.
    """
    if not scores.isfinite().all():
        raise WrnError(
            'the network computes NaN instead of probabilities; give weights that are not damaged, '
            'or the config that they were trained with'
        )
    best = scores.topk(min(topk, len(scores)))
    predictions = []
    for score, label in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        prediction = Prediction(pred_label=label, pred_score=score)
        if classes:
            prediction['pred_class'] = classes[label]
        predictions.append(prediction)
    return predictions


def describe(
    scores: Tensor, labels: Tensor | None, classes: Sequence[str] | None, topk: int
) -> Record:
    """Return the most probable classes, and those that pass a multi-label head's threshold.

    Args:
        scores: The probability of each class, ``(num_classes,)``.
        labels: The indices of the classes that pass; None if the head predicts a single class.
        classes: The names of the classes. None if they are unknown.
        topk: The number of classes to list under ``predictions``, if not more pass.
    """
    if labels is None:
        return Record(predictions=best_classes(scores, classes, topk))
    passing = sorted(labels.tolist(), key=lambda label: -scores[label].item())
    record = Record(predictions=best_classes(scores, classes, max(topk, len(passing))))
    record['pred_labels'] = passing
    if classes:
        record['pred_classes'] = [classes[label] for label in passing]
    return record
