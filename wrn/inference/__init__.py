"""Classify images, and compute features.

In: models and images. Out: predictions, or the features of stages. Open ``predictor`` first, which
reads, preprocesses, batches and classifies images. ``features`` uses it to compute features.
``api`` builds a model and does either in one call. ``explanations`` computes where in an image the
score of a class comes from, and ``heat_map`` draws it. ``attackable`` wraps a model for attacks.
"""

from wrn.inference.api import ImageResult, extract_features, inference_model
from wrn.inference.attackable import as_classifier
from wrn.inference.explanations import Explainer
from wrn.inference.features import FeatureExtractor, Features
from wrn.inference.heat_map import overlay
from wrn.inference.predictor import Predictor

__all__ = [
    'Explainer',
    'FeatureExtractor',
    'Features',
    'ImageResult',
    'Predictor',
    'as_classifier',
    'extract_features',
    'inference_model',
    'overlay',
]
