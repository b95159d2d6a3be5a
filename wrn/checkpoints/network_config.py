"""The config of the network that weights belong to."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from modelindex.models.Model import Model

from wrn.checkpoints import Weights
from wrn.checkpoints.architecture import Architecture, find_architecture
from wrn.checkpoints.network_options import check_options, read_options
from wrn.config.config_errors import config_errors
from wrn.config.config_file import read_config, read_own_config
from wrn.config.config_parts import choose_topk, get_dataset_type
from wrn.data.images.allowed_steps import check_normalization, check_steps
from wrn.utils.errors import CheckpointError

_PREPROCESSING = ('mean', 'std', 'to_rgb')
# The dataset types that a file may name. All are part of mmpretrain or this package.
_DATASETS = ('CIFAR10', 'CIFAR100', 'Digits', 'ImageNet', 'SVHN')


def describe_network(
    weights: Weights,
    architecture: Architecture,
    name: str,
    entry: Model | None = None,
    config: Config | None = None,
) -> tuple[Config, list[str]]:
    """Make the config of the network that weights belong to, and of its preprocessing.

    Args:
        weights: The weights.
        architecture: What their shapes determine.
        name: The path or name of their file, for messages.
        entry: The published model that they belong to. Defaults to None.
        config: A config with the preprocessing and the options of the network. It is changed.
            Defaults to None: the config of the published model, or the one in the file, or the
            usual one for such a network.

    Returns:
        The config, and the assumptions in it, which neither the file nor the caller states.

    Raises:
        WrnError: If the config cannot be read, or has options that contradict the weights.
    """
    own = None if config or entry else read_own_config(weights.meta)
    template = _find_template(architecture)
    full = config or read_config(entry.config if entry else template)
    options: dict[str, Any] = {}
    assumed: list[str] = []
    if own:
        # The backbone is not built from this config: mmengine would import whatever a type names.
        trained_as = own.model.get('backbone')
        options = read_options(trained_as, name)
        check_options(trained_as, options, name)
        full.test_dataloader = own.test_dataloader
        preprocessor = own.model.get('data_preprocessor') or own.get('data_preprocessor') or {}
        if isinstance(preprocessor, Mapping):
            full.data_preprocessor.update(
                {key: preprocessor[key] for key in _PREPROCESSING if key in preprocessor}
            )
            _check_preprocessor(full.data_preprocessor, architecture, name)
    elif not entry:
        implied = weights.implied.backbone or {}
        options = {k: v for k, v in implied.items() if k not in full.model.backbone}
        if not config:
            assumed = [*_assume(weights, architecture, options, full, name)]
            assumed.append(f'the image size and the dataset of {template}')
    if architecture.backbone.get('in_channels', 3) != 3 and not config:
        raise CheckpointError(
            f'{name}: the network takes {architecture.backbone["in_channels"]}-channel images, not '
            'RGB; give a config with their preprocessing (--config)'
        )
    options = {key: value for key, value in options.items() if value is not None}
    with config_errors(full.filename):
        _set_architecture(full, architecture, options)
    check_options(weights.implied.backbone, full.model.backbone, name)
    return full, assumed


def check_backbone(weights: Weights, backbone: Mapping[str, Any], name: str) -> None:
    """Check that weights belong to a network with these options, as far as can be known.

    Args:
        weights: The weights. Their keys and shapes fit.
        backbone: The config of the network's backbone.
        name: The path or name of their file, for messages.

    Raises:
        CheckpointError: If their format, or the config in their file, has other options.
    """
    own = read_own_config(weights.meta)
    for theirs in (weights.implied.backbone, own and own.model.get('backbone')):
        check_options(theirs, backbone, name)


def read_model_config(weights: Weights, path: str) -> Config | None:
    """Make the config of a model from its file of weights alone, as ``wrn publish`` writes it.

    The shapes of the weights determine the network. The config in the file cannot name code to run:
    it only adds options that are plain values, preprocessing of known steps, and a known type of
    dataset.

    Args:
        weights: The content of the file.
        path: The path or URL of the file.

    Returns:
        The config, with the file as its ``load_from``; None if the file holds no config.

    Raises:
        WrnError: If the config in the file has unknown types or steps.
    """
    own = read_own_config(weights.meta)
    if own is None:
        return None
    config, _ = describe_network(weights, find_architecture(weights.state_dict, path), path)
    pipeline = config.test_dataloader.dataset.pipeline
    check_steps(pipeline, path, 'give the config that the weights were trained with')
    kind = get_dataset_type(own)
    dataset = dict(type=kind if kind in _DATASETS else 'CustomDataset', pipeline=pipeline)
    keys = ('custom_imports', 'default_scope', 'model', 'data_preprocessor')
    parts = {key: config[key] for key in keys}
    parts.update(test_dataloader=dict(dataset=dataset), load_from=path)
    return Config(parts, cfg_text=f'# of {path}', filename=path)


def _check_preprocessor(
    preprocessor: Mapping[str, Any], architecture: Architecture, name: str
) -> None:
    """Check the values that a file states for the data preprocessor."""
    mean, std = preprocessor.get('mean'), preprocessor.get('std')
    if mean is not None or std is not None:  # images may be left as they are
        check_normalization(mean, std, architecture.backbone.get('in_channels', 3), name)
    if not isinstance(preprocessor.get('to_rgb', False), bool):
        raise CheckpointError(f'{name}: to_rgb in its config is not True or False; correct it')


def _find_template(architecture: Architecture) -> str:
    """Return the config with the preprocessing of the first published weights of a network."""
    if architecture.backbone['type'] == 'WideResNet':
        return 'configs/wrn/wide-resnet50_8xb32_in1k.py'
    data = 'cifar100' if architecture.num_classes == 100 else 'cifar10'
    return f'configs/wrn/wide-resnet28-10_8xb16_{data}.py'


def _assume(
    weights: Weights,
    architecture: Architecture,
    options: dict[str, Any],
    config: Config,
    name: str,
) -> Iterator[str]:
    """Set options and normalization that the file does not state, and yield each assumption."""
    backbone = architecture.backbone
    if backbone['type'] == 'WideResNetCIFAR' and weights.implied.backbone is None:
        if 'num_stages' in backbone:
            raise CheckpointError(
                f'{name}: the weights have {backbone["num_stages"]} stages of unknown strides; '
                'give a config with the strides (--config)'
            )
        yield "the paper's network: ReLU, epsilon 1e-5, strides 1, 2, 2"
    for assumption in weights.implied.assumptions:
        options.update(assumption.options)
        yield assumption.text
    if 'normalization' not in weights.meta:
        preprocessor = config.data_preprocessor
        preprocessor.update(weights.implied.normalization or {})
        yield f'the mean {preprocessor.mean} and the std {preprocessor.std} of the images'


def _set_architecture(
    config: Config, architecture: Architecture, options: Mapping[str, Any]
) -> None:
    """Set the backbone and the head of a config."""
    config.model.backbone.update({**architecture.backbone, **options})
    if architecture.num_classes is None:
        config.model.head = None
        return
    config.model.head.update(
        num_classes=architecture.num_classes,
        in_channels=architecture.in_channels,
        topk=choose_topk(architecture.num_classes),
    )
    if 'data_preprocessor' in config:
        config.data_preprocessor.num_classes = architecture.num_classes
