"""The config of the network that weights are of."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from modelindex.models.Model import Model

from wrn.checkpoints import Weights
from wrn.checkpoints.architecture import Architecture
from wrn.checkpoints.network_options import check_options, read_options
from wrn.config.config_errors import config_errors
from wrn.config.config_file import read_config, read_own_config
from wrn.utils.errors import CheckpointError

_PREPARATION = ('mean', 'std', 'to_rgb')


def describe_network(
    weights: Weights,
    architecture: Architecture,
    source: str,
    entry: Model | None = None,
    config: Config | None = None,
) -> tuple[Config, list[str]]:
    """Make the config of the network that weights are of, and of how its pictures are prepared.

    Args:
        weights: The weights.
        architecture: What their shapes tell.
        source: The name of their file, for messages.
        entry: The model whose published weights they are. Defaults to None.
        config: The config that says how images are preprocessed, and what options the network
            has. It is changed. Defaults to None: that of the model, or the one that came with the
            weights, or one that is usual for such networks.

    Returns:
        The config, and what it says that neither the file nor the caller does.

    Raises:
        WrnError: If the config cannot be read, or says other options than the weights.
    """
    own = None if config or entry else read_own_config(weights.meta, source)
    template = _find_template(architecture)
    full = config or read_config(entry.config if entry else template)
    options: dict[str, Any] = {}
    assumed: list[str] = []
    if own:
        # It is not built: names of types in it may mean anything that can be imported.
        trained_as = own.model.get('backbone')
        options = read_options(trained_as, source)
        check_options(trained_as, options, source)
        _take_preprocessing(full, own)
    elif not entry:
        meant = weights.implied.backbone or {}
        options = {k: v for k, v in meant.items() if k not in full.model.backbone}
        if not config:
            assumed = [*_assume(weights, architecture, options, full, source)]
            assumed.append(f"the pictures' size and data set, those of {template}")
    if architecture.backbone.get('in_channels', 3) != 3 and not config:
        raise CheckpointError(
            f'{source}: the network takes {architecture.backbone["in_channels"]} channels, not '
            'red, green and blue; give a config that prepares such pictures with --config'
        )
    options = {key: value for key, value in options.items() if value is not None}
    with config_errors(full.filename):
        _set_architecture(full, architecture, options)
    check_options(weights.implied.backbone, full.model.backbone, source)
    return full, assumed


def check_backbone(weights: Weights, backbone: Mapping[str, Any], source: str) -> None:
    """Check that weights mean the network that is to have them, as far as anything tells.

    Args:
        weights: The weights, whose keys and shapes fit.
        backbone: The config of the network's backbone.
        source: The name of their file, for messages.

    Raises:
        CheckpointError: If their format, or the config that came with them, says another one.
    """
    own = read_own_config(weights.meta, source)
    for theirs in (weights.implied.backbone, own and own.model.get('backbone')):
        check_options(theirs, backbone, source)


def _find_template(architecture: Architecture) -> str:
    """Name a config that prepares pictures as the network's first weights were trained."""
    if architecture.backbone['type'] == 'WideResNet':
        return 'configs/wrn/wide-resnet50_8xb32_in1k.py'
    data = 'cifar100' if architecture.num_classes == 100 else 'cifar10'
    return f'configs/wrn/wide-resnet28-10_8xb16_{data}.py'


def _assume(
    weights: Weights,
    architecture: Architecture,
    options: dict[str, Any],
    config: Config,
    source: str,
) -> Iterator[str]:
    """Set the options and the normalisation that the file does not state, and yield them."""
    backbone = architecture.backbone
    if backbone['type'] == 'WideResNetCIFAR' and weights.implied.backbone is None:
        if 'num_stages' in backbone:
            raise CheckpointError(
                f'{source}: the weights have {backbone["num_stages"]} stages, and nothing tells '
                'their strides; give a config that does with --config'
            )
        yield "that the network is the paper's: ReLU, epsilon 1e-5, strides of 1, 2, 2"
    for assumption in weights.implied.assumptions:
        options.update(assumption.options)
        yield assumption.text
    if 'normalization' not in weights.meta:
        preprocessor = config.data_preprocessor
        preprocessor.update(weights.implied.normalization or {})
        yield f"the pictures' mean, {preprocessor.mean}, and std, {preprocessor.std}"


def _take_preprocessing(config: Config, own: Config) -> None:
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
