"""Checkpoints: files of weights in any known format come in, weights for a network go out.

Open :mod:`~wrn.checkpoints.checkpoint_file` first. It finds a file by its path or URL, has it read
without running code from it (``reader``), and its weights unwrapped (``unwrap``) and renamed to
OpenMMLab's keys (``weights``, ``formats``). ``load_state_dict`` compares weights with a network and
loads them. ``convert`` and ``publish`` describe weights and write them (``writer``). ``schemes``
registers all this with mmengine.
"""

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
