"""The config of a test of any model: a name, a config, a file of weights or an exported file."""

import logging
from typing import Any

from mmengine.config import Config, ConfigDict
from mmpretrain.registry import MODELS

from wrn.config import model_index
from wrn.config.config_file import read_config
from wrn.config.config_parts import get_dataset_type, get_test_dataset
from wrn.deploy.export import load_exported
from wrn.utils.errors import WrnError
from wrn.zoo.resolve import ResolvedModel

_RUNTIME = 'configs/_base_/finetune.py'  # loaders, metrics and hooks, of data in class folders
_DATASETS = {  # where the test data of a type of dataset is
    'CIFAR10': 'configs/_base_/datasets/cifar10_bs16.py',
    'CIFAR100': 'configs/_base_/datasets/cifar100_bs16.py',
    'Digits': 'configs/_base_/datasets/digits_bs64.py',
    'ImageNet': 'configs/_base_/datasets/imagenet_bs32_pil_resize.py',
    'SVHN': 'configs/_base_/datasets/svhn_bs16.py',
}
_logger = logging.getLogger('wrn')

# In a config, ``model = dict(type='ExportedClassifier', path=FILE)`` is an exported file.
MODELS.register_module('ExportedClassifier', module=load_exported)


def make_test_config(model: ResolvedModel, checkpoint: str | None = None) -> Config:
    """Make the config of a test.

    Args:
        model: The model.
        checkpoint: The path or address of weights. Defaults to None: the model's own.

    Returns:
        The config, whose ``load_from`` is the weights. That of a file says how images are
        preprocessed; its test data is that of the dataset which the file names, if it is one of
        those that this package has a config for, else ``test_dataloader.dataset.data_root`` is to
        be set. Which data it is, is logged.

    Raises:
        WrnError: If there are no weights, or no test data.
    """
    if model.kind in ('name', 'config'):
        if checkpoint is None and model.entry is None:
            raise WrnError(f'{model.name}: a config has no weights; give a checkpoint after it')
        config = model.get_config()
        config.load_from = checkpoint or model.checkpoint
        if config.load_from is None:
            raise WrnError(f'{model.name}: has no weights; give a checkpoint after it')
        return config
    if checkpoint is not None:
        raise WrnError(f'{model.name}: holds weights; leave out {checkpoint}, or give a config')
    return _make_from_file(model)


def _make_from_file(model: ResolvedModel) -> Config:
    own = model.get_config()
    config = read_config(_RUNTIME)
    kind = get_dataset_type(own)
    network: Any = model.network
    if network is not None:
        entry = model_index.find(network.metadata.model)
        kind = get_dataset_type(read_config(entry.config)) if entry else kind
        config.model = dict(type='ExportedClassifier', path=model.name)
        config.load_from = config.data_preprocessor = None  # both are in the file
        num_classes = network.num_classes
    else:
        config.model, config.load_from = own.model, model.name
        config.data_preprocessor = own.data_preprocessor
        num_classes = own.model.head.num_classes
    if path := _DATASETS.get(kind):
        _logger.info('%s: tested on the images of %s', model.name, path)
        data = read_config(path)
        config.test_dataloader, config.test_evaluator = data.test_dataloader, data.test_evaluator
    else:
        config.test_evaluator = dict(type='Accuracy', topk=(1, 5) if num_classes > 5 else (1,))
        _set_folder(config.test_dataloader.dataset)
    get_test_dataset(config).pipeline = get_test_dataset(own).pipeline
    return Config(config.to_dict(), cfg_text=f'# of {model.name}', filename=f'{model.name}.py')


def _set_folder(dataset: ConfigDict) -> None:
    """Let a dataset be a folder that is yet to be named."""
    dataset.pop('data_prefix', None)
    dataset.data_root = None
