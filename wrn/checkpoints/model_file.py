"""Files of weights that say themselves what network they are of, as `wrn publish` writes them."""

from os import PathLike
from pathlib import Path

from mmengine.config import Config

from wrn.checkpoints import to_openmmlab
from wrn.checkpoints.architecture import find_architecture
from wrn.checkpoints.describe import describe_network
from wrn.checkpoints.schemes import load_checkpoint
from wrn.checkpoints.writer import SUFFIXES
from wrn.config.config_file import read_own_config
from wrn.data.images.steps import check_steps
from wrn.utils.errors import WrnError

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
    check_steps(pipeline, source, _CURE)
    dataset = dict(type='CustomDataset', pipeline=pipeline)
    keys = ('custom_imports', 'default_scope', 'model', 'data_preprocessor')
    parts = {key: config[key] for key in keys}
    parts.update(test_dataloader=dict(dataset=dataset), load_from=source)
    return Config(parts, cfg_text=f'# of {source}', filename=source)
