"""Checkpoints: read safely, converted, checked against the model, put into it, and written."""

from wrn.weights.conversion import Weights, to_openmmlab
from wrn.weights.fitting import (
    assign_state_dict,
    check_state_dict,
    set_normalization,
    unwrap_model,
)
from wrn.weights.reading import read_checkpoint
from wrn.weights.writing import write_weights

__all__ = [
    'Weights',
    'assign_state_dict',
    'check_state_dict',
    'read_checkpoint',
    'set_normalization',
    'to_openmmlab',
    'unwrap_model',
    'write_weights',
]
