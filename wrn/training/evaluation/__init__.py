"""What mmpretrain's metrics lack, and what is made of them."""

from wrn.training.evaluation.calibration import Calibration
from wrn.training.evaluation.predictions import PredictionWriter
from wrn.training.evaluation.report import (
    CONFUSION,
    REPORT_METRICS,
    ClassFigures,
    Report,
    add_metrics,
)

__all__ = [
    'CONFUSION',
    'REPORT_METRICS',
    'Calibration',
    'ClassFigures',
    'PredictionWriter',
    'Report',
    'add_metrics',
]
