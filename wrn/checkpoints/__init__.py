"""Checkpoints: read safely, converted, checked against the model, put into it, and written."""

from wrn.checkpoints.load_state_dict import (
    assign_state_dict,
    check_state_dict,
    set_normalization,
    unwrap_model,
)
from wrn.checkpoints.reader import read_checkpoint
from wrn.checkpoints.weights import Weights, to_openmmlab
from wrn.checkpoints.writer import write_weights

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
