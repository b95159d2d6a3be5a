"""Names and pictures in, predictions and features out."""

from wrn.inference.features import FeatureExtractor, Features, extract_features
from wrn.inference.predictor import Predictor, inference_model

__all__ = ['FeatureExtractor', 'Features', 'Predictor', 'extract_features', 'inference_model']
