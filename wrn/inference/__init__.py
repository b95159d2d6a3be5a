"""Names and pictures in, predictions out."""

from wrn.inference.predictor import Predictor, inference_model

__all__ = ['Predictor', 'inference_model']
