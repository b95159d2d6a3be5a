"""Record what a test finds for each image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from torch import Tensor

_TOPK = 3
_MOST_FEATURES = 2000  # images
# The lower bound of probabilities: one that is 0 in float32 would make the loss infinite.
_LEAST = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class ImageResults:
    """What a test found for each image, in the order of the dataset.

    Attributes:
        indices: The positions in the dataset, ``(N,)``. Empty if the dataset does not state them.
        labels: The true classes, ``(N,)``.
        top_labels: The most probable classes, the best first, ``(N, K)`` with K at most 3.
        top_scores: Their probabilities, ``(N, K)``.
        losses: The negative logarithm of the probability of the true class, in nats, ``(N,)``.
        sampled: Which images have features, as positions in the other arrays, ``(M,)``: at most
            2,000, evenly spread.
        features: Their features, as the head takes them, ``(M, C)``; ``(0, 0)`` if unknown.
    """

    indices: np.ndarray
    labels: np.ndarray
    top_labels: np.ndarray
    top_scores: np.ndarray
    losses: np.ndarray
    sampled: np.ndarray
    features: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """Whether each prediction is correct, ``(N,)``."""
        return self.top_labels[:, 0] == self.labels


def sample_evenly(number: int, most: int = _MOST_FEATURES) -> np.ndarray:
    """Return positions that are evenly spread over a number of images.

    Args:
        number: The number of images.
        most: The largest number of positions. Defaults to 2,000.

    Returns:
        The positions, ascending.
    """
    return np.arange(0, number, max(1, -(-number // most)))


def make_results(
    scores: Tensor, labels: Tensor, features: np.ndarray, indices: Sequence[int] | None = None
) -> ImageResults:
    """Make results of the predictions for all images of a dataset.

    Args:
        scores: The probability of each class, ``(N, num_classes)``.
        labels: The true classes, ``(N,)``.
        features: The features of each image, ``(N, C)``.
        indices: The positions in the dataset. Defaults to None: the same order.

    Returns:
        The results.
    """
    top, losses = summarize(scores, labels)
    sampled = sample_evenly(len(labels))
    positions = np.arange(len(labels)) if indices is None else np.asarray(indices)
    return ImageResults(
        positions,
        labels.numpy(),
        top.indices.numpy(),
        top.values.numpy(),
        losses.numpy(),
        sampled,
        features[sampled],
    )


def summarize(scores: Tensor, labels: Tensor) -> tuple[Any, Tensor]:
    """Return the most probable classes and the loss of each image.

    Args:
        scores: The probability of each class, ``(N, num_classes)``.
        labels: The true classes, ``(N,)``.

    Returns:
        The ``values`` and ``indices`` of the most probable classes, ``(N, K)``; and the losses,
        ``(N,)``, float64.
    """
    chosen = scores.gather(1, labels[:, None])[:, 0].double().clamp(min=_LEAST)
    losses = chosen.log().abs()  # -log(1) is -0.0
    return scores.topk(min(_TOPK, scores.shape[1])), losses


class ImageRecorder(BaseMetric):
    """Record the best classes and the loss of each image, and the features of some.

    Args:
        number: The number of images in the dataset.
        in_order: Whether the test takes the images in the order of the dataset, as a
            ``DefaultSampler`` without ``shuffle`` does, in every process of a distributed job. The
            positions of the samples are then counted. Those that samples state are the ones in the
            dataset that a wrapper such as ``ConcatDataset`` has taken them from. Defaults to False.

    Attributes:
        batch_features: The features of the current batch, ``(N, C)``. Set by whoever sees them.
        recorded: The results of all images, in the main process after the test; else None.
    """

    default_prefix = 'images'

    def __init__(self, number: int, in_order: bool = False) -> None:
        super().__init__()
        self._number, self._in_order = number, in_order
        self.batch_features: Tensor | None = None
        self.recorded: ImageResults | None = None
        self._sampled = {*sample_evenly(number).tolist()}

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Store the results of a batch.

        Args:
            data_batch: Not used.
            data_samples: The samples, with the probabilities ``pred_score`` of shape ``(C,)``,
                ``gt_label`` of shape ``(1,)`` and the position ``sample_idx``.
        """
        scores = torch.stack([sample['pred_score'] for sample in data_samples]).cpu()
        labels = torch.cat([sample['gt_label'] for sample in data_samples]).cpu()
        top, losses = summarize(scores, labels)
        features, self.batch_features = self.batch_features, None
        if features is not None and len(features) != len(data_samples):
            features = None  # as with several views of each image
        columns = [labels[:, None], losses[:, None], top.indices, top.values]
        for i, row in enumerate(torch.cat(columns, 1).tolist()):
            if self._in_order:
                index = (get_rank() + get_world_size() * len(self.results)) % self._number
            else:
                index = int(data_samples[i].get('sample_idx', -1))
            chosen = None
            if features is not None and index in self._sampled:
                chosen = features[i].float().cpu().numpy()
            self.results.append((index, row, chosen))

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Keep the results of all processes.

        Args:
            results: What :meth:`process` stored.

        Returns:
            An empty dict.
        """
        indices, rows, features = zip(*results, strict=True)
        columns = np.array(rows)
        sampled = [i for i, row in enumerate(features) if row is not None]
        known = len({*indices}) == len(indices) and 0 <= min(indices) <= max(indices) < self._number
        k = (columns.shape[1] - 2) // 2
        self.recorded = ImageResults(
            np.array(indices if known else [], dtype=np.int64),
            columns[:, 0].astype(np.int64),
            columns[:, 2 : 2 + k].astype(np.int64),
            columns[:, 2 + k :],
            columns[:, 1],
            np.array(sampled, dtype=np.int64),
            np.stack([features[i] for i in sampled]) if sampled else np.zeros((0, 0), np.float32),
        )
        return {}
