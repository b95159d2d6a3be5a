"""Make the config that tests a model: a name, a config, a weights file or an exported file."""

import logging
import shlex
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmpretrain.registry import MODELS

from wrn.checkpoints.checkpoint_file import localize
from wrn.config.config_file import CONFIG_SUFFIXES, read_config
from wrn.config.config_parts import choose_topk, get_dataset_type, get_test_dataset
from wrn.deploy.export import load_exported
from wrn.training.finetune_config import BASE
from wrn.training.testing_data import use_test_images
from wrn.zoo.resolve import ResolvedModel
from wrn_base import model_index
from wrn_base.errors import WrnError

_DATASETS = {  # the shipped configs of test data, by type of dataset
    'CIFAR10': 'configs/_base_/datasets/cifar10_bs16.py',
    'CIFAR100': 'configs/_base_/datasets/cifar100_bs16.py',
    'Digits': 'configs/_base_/datasets/digits_bs64.py',
    'ImageNet': 'configs/_base_/datasets/imagenet_bs32_pil_resize.py',
    'SVHN': 'configs/_base_/datasets/svhn_bs16.py',
}
_logger = logging.getLogger('wrn')

# A config loads an exported file by ``model = dict(type='ExportedClassifier', path=FILE)``.
MODELS.register_module('ExportedClassifier', module=load_exported)


def make_test_config(
    model: ResolvedModel,
    checkpoint: str | None = None,
    data: str | None = None,
    ann_file: str | None = None,
) -> Config:
    """Make the config of a test.

    The config of a weights file or an exported file has the preprocessing that is recorded in the
    file. If there is a shipped config for the dataset that the file names, its test data is used
    and logged. Otherwise the user must give ``data``.

    Args:
        model: The model.
        checkpoint: The path or URL of weights. Defaults to None, the model's own weights.
        data: The data folder, as for :func:`wrn.training.testing_data.use_test_images`. Defaults to
            None, the test data of the config.
        ann_file: The annotation file of the data folder. Defaults to None.

    Returns:
        The config. Its ``load_from`` is the weights.

    Raises:
        WrnError: If there are no weights, or a checkpoint is given for a file that holds weights.
    """
    if model.kind in ('name', 'config'):
        config = model.get_config()
        config.load_from = (checkpoint and localize(checkpoint)) or (
            model.entry and model.checkpoint
        )
        if config.load_from is None:
            raise WrnError(f'{model.name}: has no weights of its own; give a checkpoint after it')
        if data is not None:
            use_test_images(config, data, ann_file)
        return config
    if checkpoint is not None:
        if Path(checkpoint).suffix in CONFIG_SUFFIXES:
            raise WrnError(
                f'{model.name}: has weights; the config comes first: wrn test '
                + shlex.join([str(checkpoint), model.name])
            )
        raise WrnError(f'{model.name}: has weights; leave out {checkpoint}, or give a config')
    return _make_from_file(model, data, ann_file)


def _make_from_file(model: ResolvedModel, data: str | None, ann_file: str | None) -> Config:
    own = model.get_config()
    config = read_config(BASE)
    kind = get_dataset_type(own)
    network: Any = model.network
    if network is not None:
        if entry := model_index.find(network.metadata.model):
            kind = get_dataset_type(read_config(entry.config))
        config.model = dict(type='ExportedClassifier', path=model.name)
        config.load_from = config.data_preprocessor = None  # both are in the file
        num_classes = network.num_classes
    else:
        config.model, config.load_from = own.model, model.checkpoint
        config.data_preprocessor = own.data_preprocessor
        num_classes = own.model.head.num_classes
    if data is not None:
        config.test_dataloader.dataset = own.test_dataloader.dataset
        source = model.file.weights.meta.get('source') if model.file else None
        use_test_images(config, data, ann_file, num_classes, source)
    elif path := _DATASETS.get(kind):
        _logger.info('%s: tested on the images of %s', model.name, path)
        known = read_config(path)
        config.test_dataloader, config.test_evaluator = known.test_dataloader, known.test_evaluator
    else:
        config.test_evaluator = dict(type='Accuracy', topk=choose_topk(num_classes))
        config.test_dataloader.dataset.pop('data_prefix')
        config.test_dataloader.dataset.data_root = None  # to be set by the user
    if data is None:
        get_test_dataset(config).pipeline = get_test_dataset(own).pipeline
    file = Path(model.name)  # or an address
    config.work_dir = str(Path('work_dirs', file.stem if file.is_file() else file.name))
    return Config(config.to_dict(), cfg_text=f'# of {model.name}', filename=f'{model.name}.py')
