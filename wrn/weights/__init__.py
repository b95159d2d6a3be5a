"""Checkpoints: read safely, checked against the model, put into it, and written."""

from wrn.weights.fitting import assign_state_dict, check_state_dict, get_state_dict
from wrn.weights.reading import read_checkpoint
from wrn.weights.writing import write_weights

__all__ = [
    'assign_state_dict',
    'check_state_dict',
    'get_state_dict',
    'read_checkpoint',
    'write_weights',
]
