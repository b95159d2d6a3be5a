"""What mmpretrain's metrics lack, and what is made of them."""

from wrn.evaluation.calibration import Calibration
from wrn.evaluation.predictions import PredictionWriter
from wrn.evaluation.report import CONFUSION, REPORT_METRICS, ClassFigures, Report, add_metrics

__all__ = [
    'CONFUSION',
    'REPORT_METRICS',
    'Calibration',
    'ClassFigures',
    'PredictionWriter',
    'Report',
    'add_metrics',
]
