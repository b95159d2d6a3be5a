"""Metrics that mmpretrain does not have, and reports of tests and of training runs.

In: the predictions of a test, or the log of a training run. Out: metrics, files of predictions,
tables and plots. Open ``report`` first. ``Calibration`` and ``PredictionWriter`` are metrics that a
config adds to its evaluator. ``Report`` makes tables and a plot of the metrics of a test.
``curves`` reads the log of a training run, and ``curve_plots`` plots it. ``figures`` plots a
confusion matrix, and ``reliability`` the calibration; ``plot_text`` and ``fonts``
keep their text legible. ``plot_scale`` sets the axes of plots and of the page of a report.
"""

from wrn.training.evaluation.calibration import Calibration
from wrn.training.evaluation.predictions import PredictionWriter
from wrn.training.evaluation.proportion import Proportion
from wrn.training.evaluation.report import (
    ACCURACY,
    BALANCED,
    CONFUSION,
    REPORT_FILES,
    REPORT_METRICS,
    Report,
    add_metrics,
    find_accuracies,
    get_report_metrics,
    get_thresholds,
    has_report,
    list_metrics,
)

__all__ = [
    'ACCURACY',
    'BALANCED',
    'CONFUSION',
    'REPORT_FILES',
    'REPORT_METRICS',
    'Calibration',
    'PredictionWriter',
    'Proportion',
    'Report',
    'add_metrics',
    'find_accuracies',
    'get_report_metrics',
    'get_thresholds',
    'has_report',
    'list_metrics',
]
