"""Checkpoints: read safely, checked against the model, and put into it."""

from wrn.weights.fitting import assign_state_dict, check_state_dict, get_state_dict
from wrn.weights.reading import read_checkpoint

__all__ = ['assign_state_dict', 'check_state_dict', 'get_state_dict', 'read_checkpoint']
