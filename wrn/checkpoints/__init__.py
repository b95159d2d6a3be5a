"""Checkpoints: read safely, unwrapped, converted, loaded and written.

In: the path or URL of a file of weights in any known format. Out: weights under OpenMMLab's keys,
or a file of them. Open ``checkpoint_file`` first.

``reader`` reads a file without running code from it. ``unwrap`` extracts the weights, ``wrappers``
takes off what other libraries put around them, ``formats`` renames their keys, and
``extra_tensors`` finds what is left.
``network_config`` makes the config of their network. ``load_state_dict`` compares them with a
network and loads them. ``convert`` and ``publish`` write files. ``schemes`` makes mmengine read all
checkpoints this way.
"""

from wrn.checkpoints.load_state_dict import (
    assign_state_dict,
    check_state_dict,
    set_normalization,
    unwrap_model,
)
from wrn.checkpoints.reader import read_checkpoint
from wrn.checkpoints.unwrap import to_openmmlab
from wrn.checkpoints.weights import ReadOptions, Weights
from wrn.checkpoints.writer import write_weights

__all__ = [
    'ReadOptions',
    'Weights',
    'assign_state_dict',
    'check_state_dict',
    'read_checkpoint',
    'set_normalization',
    'to_openmmlab',
    'unwrap_model',
    'write_weights',
]
