"""Metrics that mmpretrain does not have, and reports of tests and of training runs.

``Calibration`` and ``PredictionWriter`` are metrics that a config adds to its evaluator. ``Report``
turns the metrics of a test into tables and a figure; ``curves`` draws the log of a training run.
Open ``report`` first.
"""

from wrn.training.evaluation.calibration import Calibration
from wrn.training.evaluation.predictions import PredictionWriter
from wrn.training.evaluation.report import CONFUSION, REPORT_METRICS, Report, add_metrics

__all__ = [
    'CONFUSION',
    'REPORT_METRICS',
    'Calibration',
    'PredictionWriter',
    'Report',
    'add_metrics',
]
