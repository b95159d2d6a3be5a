"""Checkpoints: files of weights in any known format come in, weights for a network go out.

Open :mod:`~wrn.checkpoints.checkpoint_file` first: it opens a file by its path or URL.
``reader`` reads the file without running code from it. ``unwrap`` takes the weights out and renames
them to OpenMMLab's keys (``formats``). ``describe`` makes the config of their network, and
``load_state_dict`` compares them with a network and loads them. ``convert`` and ``publish`` write
files of weights. ``schemes`` makes mmengine read all checkpoints this way.
"""

from wrn.checkpoints.load_state_dict import (
    assign_state_dict,
    check_state_dict,
    set_normalization,
    unwrap_model,
)
from wrn.checkpoints.reader import read_checkpoint
from wrn.checkpoints.unwrap import Weights, to_openmmlab
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
