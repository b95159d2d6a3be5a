"""Check that weights fit the network of a config, without memory for its weights."""

from copy import deepcopy

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

from wrn.checkpoints.load_state_dict import check_state_dict
from wrn.checkpoints.weights import Weights
from wrn.config.config_errors import config_errors
from wrn.config.config_parts import get_data_preprocessor
from wrn.models.meta_init import MetaInit


def check_fit(weights: Weights, config: Config, name: str) -> None:
    """Check that weights have all keys and shapes of the network of a config, and no others.

    Args:
        weights: The weights.
        config: The config.
        name: The path or name of the file of weights, for messages.

    Raises:
        WrnError: If they do not fit, or the network cannot be built.
    """
    parts = deepcopy(config.model)  # mmpretrain adds a type to its data_preprocessor
    parts.data_preprocessor = deepcopy(get_data_preprocessor(config))
    with (
        DefaultScope.overwrite_default_scope('mmpretrain'),
        config_errors(config.filename or name),
        MetaInit(),
    ):
        network = MODELS.build(parts)
    check_state_dict(network, weights.state_dict, name)
