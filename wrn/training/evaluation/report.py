"""What a test found out about each class."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wrn.training.evaluation.figures import draw_confusion
from wrn.utils.files import format_csv, write_atomically

#: The metrics that a report is made of, and the name of the first's result.
REPORT_METRICS = (dict(type='ConfusionMatrix'), dict(type='Calibration'))
CONFUSION = 'confusion_matrix/result'


@dataclass
class ClassFigures:
    """The figures of a class, in percent, as mmpretrain's ``SingleLabelMetric`` defines them.

    Attributes:
        name: Its name.
        precision: How many of the pictures that are predicted as it are of it.
        recall: How many of its pictures are predicted as it.
        f1: The harmonic mean of the two. What has no pictures to count is 0.
        support: How many pictures it has.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


class Report:
    """The results of a test, as a whole and by class.

    Args:
        metrics: The metrics of a test whose evaluator had ``REPORT_METRICS``.
        classes: The names of the classes. Defaults to None, their numbers.
    """

    def __init__(self, metrics: Mapping[str, Any], classes: Sequence[str] | None = None) -> None:
        #: Of shape ``(C, C)``: how many pictures of each class, in rows, are predicted as each.
        self.confusion: np.ndarray = np.asarray(metrics[CONFUSION])
        #: The figures of each class.
        self.classes = _figures(self.confusion, classes or range(len(self.confusion)))
        means = np.mean([(c.precision, c.recall, c.f1) for c in self.classes], axis=0)
        names = ('single-label/precision', 'single-label/recall', 'single-label/f1-score')
        #: The metrics that are numbers, with the mean precision, recall and F1 of the classes.
        self.metrics: dict[str, float] = {
            **{name: value for name, value in metrics.items() if isinstance(value, float)},
            **dict(zip(names, means.tolist(), strict=True)),
        }

    def worst(self, count: int) -> list[ClassFigures]:
        """Return the classes that are told worst from the others.

        Args:
            count: How many to return at most.

        Returns:
            Those with pictures, by their F1.
        """
        return sorted((c for c in self.classes if c.support), key=lambda c: c.f1)[:count]

    def write(self, folder: str | Path) -> None:
        """Write ``metrics.json``, ``classes.csv``, ``confusion.csv`` and ``confusion.png``.

        Args:
            folder: An existing folder.

        Raises:
            WrnError: If it cannot be written to.
        """
        names = [figures.name for figures in self.classes]
        tables = {
            'classes': [['class', 'precision', 'recall', 'f1', 'support']]
            + [list(vars(figures).values()) for figures in self.classes],
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


def _figures(confusion: np.ndarray, names: Sequence[Any]) -> list[ClassFigures]:
    right, support, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    recall = 100 * right / np.maximum(support, 1)
    precision = 100 * right / np.maximum(predicted, 1)
    f1 = 200 * right / np.maximum(support + predicted, 1)
    columns = (precision.tolist(), recall.tolist(), f1.tolist(), support.tolist())
    return [ClassFigures(str(n), *row) for n, *row in zip(names, *columns, strict=True)]


def add_metrics(evaluator: Any, *metrics: dict[str, Any]) -> list[Any]:
    """Add metrics to the config of an evaluator, unless it has them.

    Args:
        evaluator: The config: that of a metric, or several, or None.
        *metrics: The configs of those to add.

    Returns:
        The config of all.
    """
    own = [evaluator] if isinstance(evaluator, dict) else list(evaluator or [])
    present = {str(m['type']).rpartition('.')[2] for m in own if not m.get('prefix')}
    return own + [metric for metric in metrics if metric['type'] not in present]
