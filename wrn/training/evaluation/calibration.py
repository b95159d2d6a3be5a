"""Calibration: how well the confidence of a network matches its accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmpretrain.registry import METRICS

# The lower bound of probabilities: one that is 0 in float32 would make the mean infinite.
_LEAST = torch.finfo(torch.float32).tiny


@METRICS.register_module()
class Calibration(BaseMetric):
    """Expected calibration error and negative log-likelihood.

    The expected calibration error is that of `On Calibration of Modern Neural Networks
    <https://arxiv.org/abs/1706.04599>`_, section 2. The images are grouped by the probability of
    the predicted class into bins of equal width, ``((m - 1) / bins, m / bins]``. The error of a bin
    is the absolute difference between its accuracy and its mean probability. The result is the mean
    error, weighted by the number of images in each bin.

    Args:
        bins: The number of bins. Defaults to 15, as in the paper.
        collect_device: The device on which processes collect their results, ``'cpu'`` or
            ``'gpu'``. Defaults to ``'cpu'``.
        prefix: The prefix of the metric names. Defaults to None, ``'calibration'``.
    """

    default_prefix = 'calibration'

    def __init__(
        self, bins: int = 15, collect_device: str = 'cpu', prefix: str | None = None
    ) -> None:
        super().__init__(collect_device, prefix)
        self.bins = bins

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Store the confidence, correctness and negative log-likelihood of each image.

        Args:
            data_batch: Not used.
            data_samples: The samples, with the probabilities ``pred_score`` of shape ``(C,)`` and
                ``gt_label`` of shape ``(1,)``.
        """
        scores = torch.stack([sample['pred_score'] for sample in data_samples]).double()
        labels = torch.stack([sample['gt_label'] for sample in data_samples]).to(scores.device)
        confidence, predicted = scores.max(dim=1)
        correct = predicted == labels[:, 0]
        nll = scores.gather(1, labels)[:, 0].clamp(min=_LEAST).log().abs()  # -log(1) is -0.0
        self.results += torch.stack([confidence, correct, nll], dim=1).tolist()

    def compute_metrics(self, results: list[list[float]]) -> dict[str, float]:
        """Compute the metrics over all images.

        Args:
            results: The values that :meth:`process` stored.

        Returns:
            ``ece`` in percent, like mmpretrain's accuracies, and ``nll`` in nats.
        """
        confidence, correct, nll = np.array(results).T
        groups = group_by_confidence(confidence, correct, self.bins)
        gaps = [group.count * abs(group.accuracy - group.confidence) for group in groups]
        return dict(ece=sum(gaps) / len(results) * 100, nll=nll.mean().item())


@dataclass(frozen=True)
class Bin:
    """The images whose confidence is in a range.

    Attributes:
        low: The start of the range, excluded.
        high: The end of the range, included.
        count: The number of images. Without any, the means are 0.
        confidence: The mean probability of the predicted class.
        accuracy: The share of correct predictions, from 0 to 1.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def group_by_confidence(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> list[Bin]:
    """Group images by the probability of the predicted class, into bins of equal width.

    Args:
        confidence: The probability of the predicted class of each image, ``(N,)``.
        correct: Whether each prediction is correct, ``(N,)``.
        bins: The number of bins. Defaults to 15, as in the paper.

    Returns:
        The bins, in ascending order.
    """
    edges = np.linspace(0, 1, bins + 1)
    index = np.searchsorted(edges[1:-1], confidence)  # right edges are inclusive
    counts = np.bincount(index, minlength=bins)
    sums = [np.bincount(index, values, bins) for values in (confidence, correct)]
    means = [(total / np.maximum(counts, 1)).tolist() for total in sums]
    rows = zip(edges.tolist(), edges[1:].tolist(), counts.tolist(), *means, strict=False)
    return [Bin(*row) for row in rows]
