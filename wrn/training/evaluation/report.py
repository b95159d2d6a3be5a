"""The report of a test: metrics of the whole dataset and of each class."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmpretrain.registry import METRICS

from wrn.config.config_parts import find_class
from wrn.training.evaluation.figures import draw_confusion
from wrn.utils.files import format_csv, write_atomically

#: The configs of the metrics that a report needs.
REPORT_METRICS = (dict(type='ConfusionMatrix'), dict(type='Calibration'))
#: The name of the confusion matrix among the results of a test.
CONFUSION = 'confusion_matrix/result'


@dataclass
class ClassMetrics:
    """The metrics of one class, as defined by mmpretrain's ``SingleLabelMetric``.

    A metric without images to count is 0.

    Attributes:
        name: The name of the class.
        precision: The share of predictions of this class that are correct, in percent.
        recall: The share of images of this class that are predicted correctly, in percent.
        f1: The harmonic mean of precision and recall, in percent.
        support: The number of images of this class.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


class Report:
    """The results of a test, over all images and by class.

    Args:
        metrics: The metrics of a test with ``REPORT_METRICS`` in its evaluator.
        classes: The class names. Defaults to None, which uses the labels as names.
    """

    def __init__(self, metrics: Mapping[str, Any], classes: Sequence[str] | None = None) -> None:
        #: The number of images by true class (rows) and predicted class (columns), ``(C, C)``.
        self.confusion: np.ndarray = np.asarray(metrics[CONFUSION])
        #: The metrics of each class.
        self.classes = _measure_classes(self.confusion, classes or range(len(self.confusion)))
        means = np.mean([(c.precision, c.recall, c.f1) for c in self.classes], axis=0)
        names = ('single-label/precision', 'single-label/recall', 'single-label/f1-score')
        #: The scalar metrics, and the mean precision, recall and F1 over the classes.
        self.metrics = {name: value for name, value in metrics.items() if isinstance(value, float)}
        self.metrics.update(zip(names, means.tolist(), strict=True))

    def worst(self, count: int) -> list[ClassMetrics]:
        """Return the classes with the lowest F1, the lowest first, except classes without images.

        Args:
            count: The maximum number of classes.
        """
        return sorted((c for c in self.classes if c.support), key=lambda c: c.f1)[:count]

    def write(self, folder: str | Path) -> None:
        """Write ``metrics.json``, ``classes.csv``, ``confusion.csv`` and ``confusion.png``.

        Args:
            folder: An existing folder.

        Raises:
            WrnError: If a file cannot be written.
        """
        names = [metrics.name for metrics in self.classes]
        tables = {
            'classes': [['class', 'precision', 'recall', 'f1', 'support']]
            + [list(vars(metrics).values()) for metrics in self.classes],
            'confusion': [['class', *names]]
            + [[name, *row] for name, row in zip(names, self.confusion.tolist(), strict=True)],
        }
        for name, rows in tables.items():
            with write_atomically(Path(folder, f'{name}.csv')) as file:
                file.write(format_csv(rows))
        with write_atomically(Path(folder, 'metrics.json')) as file:
            file.write((json.dumps(self.metrics, indent=1) + '\n').encode())
        with write_atomically(Path(folder, 'confusion.png')) as file:
            draw_confusion(self.confusion, names).savefig(file, format='png')


def _measure_classes(confusion: np.ndarray, names: Sequence[Any]) -> list[ClassMetrics]:
    correct, support, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    recall = 100 * correct / np.maximum(support, 1)
    precision = 100 * correct / np.maximum(predicted, 1)
    f1 = 200 * correct / np.maximum(support + predicted, 1)
    columns = (precision.tolist(), recall.tolist(), f1.tolist(), support.tolist())
    return [ClassMetrics(str(n), *row) for n, *row in zip(names, *columns, strict=True)]


def add_metrics(evaluator: Any, *metrics: dict[str, Any]) -> list[Any]:
    """Add metrics to the config of an evaluator, unless it has them already.

    Args:
        evaluator: The config of one metric, a list of them, or None.
        *metrics: The configs of the metrics to add.

    Returns:
        The configs of all metrics.
    """
    own = [evaluator] if isinstance(evaluator, dict) else list(evaluator or [])
    present = [find_class(METRICS, metric['type']) for metric in own if not metric.get('prefix')]
    return own + [m for m in metrics if find_class(METRICS, m['type']) not in present]
