"""The config of the network that weights are of."""

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from modelindex.models.Model import Model

from wrn.config import config_errors, read_config, read_own_config
from wrn.weights import Weights
from wrn.weights.architecture import Architecture
from wrn.weights.formats import deepmind
from wrn.weights.options import check_options, read_options

_PREPARATION = ('mean', 'std', 'to_rgb')


def describe_network(
    weights: Weights,
    architecture: Architecture,
    source: str,
    entry: Model | None = None,
    config: str | None = None,
) -> tuple[Config, list[str]]:
    """Make the config of the network that weights are of, and of how its pictures are prepared.

    Args:
        weights: The weights.
        architecture: What their shapes tell.
        source: The name of their file, for messages.
        entry: The model whose published weights they are. Defaults to None.
        config: The config, or the name of a model, that says how pictures are prepared, and what
            options the network has. Defaults to None: that of the model, or the one that came
            with the weights, or one that is usual for such networks.

    Returns:
        The config, and what it says that neither the file nor the caller does.

    Raises:
        WrnError: If the config cannot be read, or says other options than the weights.
    """
    own = None if config or entry else read_own_config(weights.meta, source)
    full = read_config(config or (entry.config if entry else _find_template(architecture)))
    assumed = []
    if own:
        # It is not built: names of types in it may mean anything that can be imported.
        trained_as = own.model.get('backbone')
        options = read_options(trained_as, source)
        check_options(trained_as, options, source)
        _take_preparation(full, own)
    else:
        options = {
            k: v for k, v in (weights.backbone or {}).items() if k not in full.model.backbone
        }
        if 'act_cfg' in options and options['act_cfg'] is None:
            options['act_cfg'] = deepmind.ACT_CFG
            assumed.append(f'the activation, {deepmind.ACT_CFG["type"]}')
        if not (config or entry or 'normalization' in weights.meta):
            preprocessor = full.data_preprocessor
            assumed.append(f"the pictures' mean, {preprocessor.mean}, and std, {preprocessor.std}")
    with config_errors(full.filename):
        _set_architecture(full, architecture, options)
    check_options(weights.backbone, full.model.backbone, source)
    return full, assumed


def _find_template(architecture: Architecture) -> str:
    """Name a config that prepares pictures as the network's first weights were trained."""
    if architecture.backbone['type'] == 'WideResNet':
        return 'configs/wrn/wide-resnet50_8xb32_in1k.py'
    data = 'cifar100' if architecture.num_classes == 100 else 'cifar10'
    return f'configs/wrn/wide-resnet28-10_8xb16_{data}.py'


def _take_preparation(config: Config, own: Config) -> None:
    """Let pictures be prepared as the config says that came with the weights."""
    config.test_dataloader = own.test_dataloader
    preprocessor = own.model.get('data_preprocessor') or own.get('data_preprocessor') or {}
    if isinstance(preprocessor, Mapping):
        config.data_preprocessor.update(
            {key: preprocessor[key] for key in _PREPARATION if key in preprocessor}
        )


def _set_architecture(
    config: Config, architecture: Architecture, options: Mapping[str, Any]
) -> None:
    """Let a config describe the network that the weights are of."""
    config.model.backbone.update({**architecture.backbone, **options})
    if architecture.num_classes is None:
        config.model.head = None
        return
    config.model.head.update(
        num_classes=architecture.num_classes,
        in_channels=architecture.in_channels,
        topk=(1, 5) if architecture.num_classes >= 5 else (1,),
    )
    if 'data_preprocessor' in config:
        config.data_preprocessor.num_classes = architecture.num_classes
