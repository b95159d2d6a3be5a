"""Models and images in; predictions and features out.

``predictor`` (open it first) reads, preprocesses, batches and classifies images. ``features`` runs
on top of it, and returns what stages of the network compute. ``api`` does either in one call.
"""

from wrn.inference.api import extract_features, inference_model
from wrn.inference.features import FeatureExtractor, Features
from wrn.inference.predictor import Predictor

__all__ = ['FeatureExtractor', 'Features', 'Predictor', 'extract_features', 'inference_model']
