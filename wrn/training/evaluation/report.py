"""The report of a test: metrics of the whole dataset and of each class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from mmpretrain.evaluation import Accuracy
from mmpretrain.registry import METRICS
from numpy.typing import ArrayLike

from wrn.config.config_parts import find_class
from wrn.training.evaluation.proportion import Proportion

#: The configs of the metrics that a report needs.
REPORT_METRICS = (dict(type='ConfusionMatrix'), dict(type='Calibration'))
_BY_CLASS = 'classes'  # the prefix of the metrics of each class that a multi-label report needs
_COLUMNS = ('precision', 'recall', 'f1-score', 'support')  # these metrics
#: The name of the confusion matrix among the results of a test.
CONFUSION = 'confusion_matrix/result'
#: The names of the share of correct predictions, and of the mean recall of the classes with images.
ACCURACY, BALANCED = 'accuracy/top1', 'accuracy/balanced'
#: The names of the files of a report.
REPORT_FILES = (
    'index.html', 'report.json', 'classes.csv', 'confusion.csv', 'confusion.png', 'curves.png',
    'calibration.png',
)  # fmt: skip


@dataclass
class ClassMetrics:
    """The metrics of one class, as defined by mmpretrain's single- and multi-label metrics.

    A metric without images to count is NaN: the precision of a class that is never predicted (in a
    multi-label test it is 0), and the recall and F1 of a class without images.

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

    An image with several labels has no place in a confusion matrix, so the report of a multi-label
    test has none.

    Args:
        metrics: The metrics of a test, with those of :func:`get_report_metrics` in its evaluator.
        classes: The class names. Defaults to None, which uses the labels as names.
    """

    def __init__(self, metrics: Mapping[str, Any], classes: Sequence[str] | None = None) -> None:
        matrix = metrics.get(CONFUSION)
        #: The number of images by true class (rows) and predicted class (columns), ``(C, C)``;
        #: None for a multi-label test.
        self.confusion: np.ndarray | None = None if matrix is None else np.asarray(matrix)
        columns = _read_columns(metrics) if self.confusion is None else _measure(self.confusion)
        #: The metrics of each class.
        self.classes = [
            ClassMetrics(str(n), *row)
            for n, *row in zip(classes or range(len(columns[0])), *columns, strict=True)
        ]
        # As in mmpretrain, a class without a metric counts as 0.
        values = np.nan_to_num([(c.precision, c.recall, c.f1) for c in self.classes])
        means = values.mean(axis=0)
        kind = 'multi-label' if self.confusion is None else 'single-label'
        names = (f'{kind}/precision', f'{kind}/recall', f'{kind}/f1-score')
        #: The scalar metrics, and the mean precision, recall and F1 over the classes.
        self.metrics = {name: value for name, value in metrics.items() if isinstance(value, float)}
        for name, mean in zip(names, means.tolist(), strict=True):
            self.metrics.setdefault(name, mean)  # one of the config may have another threshold
        #: The share of correct predictions; None for a multi-label test.
        self.accuracy: Proportion | None = None
        if self.confusion is not None:
            self.accuracy = self._add_accuracy(self.confusion)

    def _add_accuracy(self, confusion: np.ndarray) -> Proportion:
        accuracy = Proportion(int(confusion.trace()), int(confusion.sum()))
        self.metrics.setdefault(ACCURACY, accuracy.percent)
        ends = dict(zip(('low', 'high'), accuracy.interval, strict=True))
        self.metrics |= {f'{ACCURACY}-{end}': value for end, value in ends.items()}
        # As in scikit-learn, a class without images does not count.
        self.metrics[BALANCED] = float(np.mean([c.recall for c in self.classes if c.support]))
        self.metrics['images'] = accuracy.total
        return accuracy

    def worst(self, count: int) -> list[ClassMetrics]:
        """Return the classes with the lowest F1, the lowest first, except classes without images.

        Args:
            count: The maximum number of classes.
        """
        return sorted((c for c in self.classes if c.support), key=lambda c: c.f1)[:count]


def get_report_metrics(head: Mapping[str, Any], multi_label: bool) -> list[dict[str, Any]]:
    """Return the configs of the metrics that a report needs.

    Args:
        head: The config of the model's head.
        multi_label: Whether it predicts any number of classes per image.
    """
    if not multi_label:
        return [*REPORT_METRICS]
    by_class = dict(items=_COLUMNS, average=None, prefix=_BY_CLASS)
    return [
        dict(type='MultiLabelMetric', **get_thresholds(head), **by_class),
        dict(type='AveragePrecision'),
    ]


def get_thresholds(head: Mapping[str, Any]) -> dict[str, Any]:
    """Return what classes need to pass a multi-label head, as the head itself reads its config.

    Args:
        head: The config of the head.

    Returns:
        ``thr``, the lowest score, or ``topk``, the number of best classes; the other one is None.
    """
    thr, topk = head.get('thr'), head.get('topk')
    return dict(thr=0.5 if thr is None and topk is None else thr, topk=topk)


def has_report(metrics: Mapping[str, Any]) -> bool:
    """Return whether the metrics of a test are enough for a report."""
    return CONFUSION in metrics or {*_COLUMNS} <= _find_columns(metrics).keys()


def _read_columns(metrics: Mapping[str, Any]) -> list[list[float]]:
    """Return the precision, recall, F1 and number of images of each class of a multi-label test."""
    columns = _find_columns(metrics)
    precision, recall, f1, support = (columns[name] for name in _COLUMNS)
    return [precision, _keep(recall, support), _keep(f1, support), support]


def _find_columns(metrics: Mapping[str, Any]) -> dict[str, list[float]]:
    return {
        name.partition('/')[2].partition('_')[0]: values
        for name, values in metrics.items()
        if name.startswith(f'{_BY_CLASS}/') and isinstance(values, list)
    }


def _measure(confusion: np.ndarray) -> list[list[float]]:
    correct, support, predicted = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    precision = _keep(100 * correct / np.maximum(predicted, 1), predicted)
    recall = _keep(100 * correct / np.maximum(support, 1), support)
    f1 = _keep(200 * correct / np.maximum(support + predicted, 1), support)
    return [precision, recall, f1, support.tolist()]


def _keep(shares: ArrayLike, images: ArrayLike) -> list[float]:
    """Return the shares of classes, NaN for those without images to count."""
    return np.where(np.asarray(images) > 0, shares, nan).tolist()


def list_metrics(evaluator: Any) -> list[Any]:
    """Return the configs of the metrics of an evaluator, which may be one config or None."""
    return [evaluator] if isinstance(evaluator, dict) else list(evaluator or [])


def add_metrics(evaluator: Any, *metrics: dict[str, Any]) -> list[Any]:
    """Add metrics to the config of an evaluator, unless it has them already with the same prefix.

    Args:
        evaluator: The config of one metric, a list of them, or None.
        *metrics: The configs of the metrics to add.

    Returns:
        The configs of all metrics.
    """
    own = list_metrics(evaluator)
    present = [_identify(metric) for metric in own]
    return own + [metric for metric in metrics if _identify(metric) not in present]


def _identify(metric: Mapping[str, Any]) -> tuple[Any, str | None]:
    """Return the class of a metric, and the prefix of its names if it is not the usual one."""
    return find_class(METRICS, metric['type']), metric.get('prefix')


def find_accuracies(evaluator: Any) -> Iterator[tuple[Any, Sequence[int]]]:
    """Find the top-k accuracies that an evaluator measures.

    Args:
        evaluator: The config of one metric, a list of them, or None.

    Yields:
        The config of each, and its numbers k. In other metrics, ``topk`` means something else.
    """
    for metric in list_metrics(evaluator):
        if find_class(METRICS, metric.get('type')) is Accuracy:
            topk = metric.get('topk', 1)
            yield metric, topk if isinstance(topk, list | tuple) else (topk,)
