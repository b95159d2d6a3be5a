"""Files of weights that say themselves what network they are of, as `wrn publish` writes them."""

from os import PathLike
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpretrain.datasets import remove_transform
from mmpretrain.registry import TRANSFORMS

from wrn.config import config_errors, read_own_config
from wrn.describing import describe_network
from wrn.errors import WrnError
from wrn.weights import to_openmmlab
from wrn.weights.architecture import find_architecture
from wrn.weights.schemes import load_checkpoint
from wrn.weights.writing import SUFFIXES

# Types are imported by their names, so a file may name these alone, with these arguments.
_RESIZE = {'scale', 'backend', 'interpolation'}
_STEPS = {
    'LoadImageFromFile': {'to_float32', 'color_type', 'imdecode_backend'},
    'Resize': {'keep_ratio', *_RESIZE},
    'ResizeEdge': {'edge', *_RESIZE},
    'CenterCrop': {'crop_size'},
    'PackInputs': set(),
}
_CURE = 'give the config that the weights were trained with'


def is_model_file(model: object) -> bool:
    """Tell whether what stands for a model is the name of a file of weights."""
    return isinstance(model, str | PathLike) and Path(model).suffix in SUFFIXES


def read_model_file(path: str | PathLike) -> Config:
    """Make the config of the network that a file has the weights of.

    The network is built from the shapes of the weights; of the config in the file are taken the
    options that are plain values, and how pictures are prepared, if it is by usual steps. So no
    file can name code to run.

    Args:
        path: The path or URL of the file. It must hold a config.

    Returns:
        The config, with the file as its ``load_from``.

    Raises:
        WrnError: If the file cannot be read, holds no config, or says more than is taken.
    """
    source = str(path)
    weights = to_openmmlab(load_checkpoint(source), source)
    own = read_own_config(weights.meta, source)
    if own is None:
        raise WrnError(f'{source}: does not say what network its weights are of; {_CURE}')
    config, _ = describe_network(weights, find_architecture(weights.state_dict, source), source)
    pipeline = config.test_dataloader.dataset.pipeline
    for step in pipeline:
        kind = str(step.get('type')) if isinstance(step, dict) else ''
        if kind not in _STEPS or step.keys() - {'type'} - _STEPS[kind]:
            raise WrnError(f'{source}: prepares pictures by {step}, which it may not; {_CURE}')
    with config_errors(source), DefaultScope.overwrite_default_scope('mmpretrain'):
        steps = remove_transform(pipeline, 'LoadImageFromFile')
        trial = dict(img=np.zeros((8, 8, 3), np.uint8), img_shape=(8, 8), ori_shape=(8, 8))
        Compose([TRANSFORMS.build(step) for step in steps])(trial)
    dataset = dict(type='CustomDataset', pipeline=pipeline)
    keys = ('custom_imports', 'default_scope', 'model', 'data_preprocessor')
    parts = {key: config[key] for key in keys}
    parts.update(test_dataloader=dict(dataset=dataset), load_from=source)
    return Config(parts, cfg_text=f'# of {source}', filename=source)
