"""The config of the network that a file of weights describes, as ``wrn publish`` writes it."""

from mmengine.config import Config

from wrn.checkpoints.architecture import find_architecture
from wrn.checkpoints.describe import describe_network
from wrn.checkpoints.weights import Weights
from wrn.config.config_file import read_own_config
from wrn.config.config_parts import get_dataset_type
from wrn.data.images.steps import check_steps

# Types that a file may name for its data. Each is known here, and holds no code of the file's.
_DATASETS = ('CIFAR10', 'CIFAR100', 'Digits', 'ImageNet', 'SVHN')


def read_model_config(weights: Weights, source: str) -> Config | None:
    """Make the config of the network that a file has the weights of.

    The network is built from the shapes of the weights. Of the config in the file are taken the
    options that are plain values, the preprocessing, if it consists of usual steps, and the type
    of the dataset, if it is a known one. So no file can name code to run.

    Args:
        weights: The content of the file.
        source: The path or URL of the file.

    Returns:
        The config, with the file as its ``load_from``; None if the file holds no config.

    Raises:
        WrnError: If the config in the file says more than is taken.
    """
    own = read_own_config(weights.meta, source)
    if own is None:
        return None
    config, _ = describe_network(weights, find_architecture(weights.state_dict, source), source)
    pipeline = config.test_dataloader.dataset.pipeline
    check_steps(pipeline, source, 'give the config that the weights were trained with')
    kind = get_dataset_type(own)
    dataset = dict(type=kind if kind in _DATASETS else 'CustomDataset', pipeline=pipeline)
    keys = ('custom_imports', 'default_scope', 'model', 'data_preprocessor')
    parts = {key: config[key] for key in keys}
    parts.update(test_dataloader=dict(dataset=dataset), load_from=source)
    return Config(parts, cfg_text=f'# of {source}', filename=source)
