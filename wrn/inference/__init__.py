"""Classify images, and compute features.

In: models and images. Out: predictions, or the features of stages. Open ``predictor`` first, which
reads, preprocesses, batches and classifies images. ``features`` uses it to compute features.
``api`` builds a model and does either in one call. ``attackable`` wraps one for attacks.
"""

from wrn.inference.api import ImageResult, extract_features, inference_model
from wrn.inference.attackable import as_classifier
from wrn.inference.features import FeatureExtractor, Features
from wrn.inference.predictor import Predictor

__all__ = [
    'FeatureExtractor',
    'Features',
    'ImageResult',
    'Predictor',
    'as_classifier',
    'extract_features',
    'inference_model',
]
