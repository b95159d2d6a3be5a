"""Build a model from a name, a config or a file."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import mmpretrain
import torch
from mmengine.config import Config
from mmengine.model import BaseModel, BaseModule
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

from wrn import models
from wrn.checkpoints import (
    ReadOptions,
    assign_state_dict,
    check_state_dict,
    set_normalization,
)
from wrn.checkpoints.assumptions import assume_network, check_scale
from wrn.checkpoints.checkpoint_file import CheckpointFile, open_checkpoint
from wrn.checkpoints.network_config import adapt_config
from wrn.config.config_errors import config_errors
from wrn.config.config_parts import check_values, get_data_preprocessor, get_dataset_meta
from wrn.data.images import ImageLike
from wrn.deploy.classifier import deploy, get_num_classes
from wrn.models.initialization import initialize
from wrn.models.meta_init import MetaInit
from wrn.zoo.resolve import resolve
from wrn_base.errors import RandomWeightsWarning, WrnError, count

_logger = logging.getLogger('wrn')


def get_model(
    model: str | PathLike[str] | Config,
    pretrained: bool | str | PathLike[str] = False,
    device: str | torch.device | None = None,
    device_map: str | dict[str, Any] | None = None,
    offload_folder: str | None = None,
    url_mapping: tuple[str, str] | None = None,
    backend: str = 'eager',
    precision: str = 'float32',
    batch_size: int = 1,
    calibration: ImageLike | Sequence[ImageLike] | None = None,
    key: str | None = None,
    prefix: str | None = None,
    **kwargs: Any,
) -> BaseModel:
    """Build a model, as :func:`mmpretrain.get_model` does.

    Models of this package are built without reading mmpretrain's whole index, and without
    initializing weights that a checkpoint replaces. Weights that do not match are an error. Models
    of mmpretrain go to :func:`mmpretrain.get_model`, which loads the weights that match.

    Args:
        model: The name of a model, a config, or a path. The path is that of a config file, of
            weights that contain their config (``wrn publish`` and ``wrn finetune`` write such
            files), or of a file from ``wrn export``, which runs in its own runtime and only for
            inference.
        pretrained: True loads the published weights of a named model, the weights in the file, or
            the ``load_from`` of a config. A string is the path, URL or ``hf://USER/REPO`` of
            weights in any format that ``wrn convert`` reads. If only the head does not match,
            because the number of classes differs, it is newly initialized with a warning;
            ``head=None`` omits it. Defaults to False.
        device: The device of the model. Defaults to None, the CPU.
        device_map: The device of each submodule, as in accelerate. Defaults to None.
        offload_folder: The folder to which ``device_map`` offloads weights. Defaults to None.
        url_mapping: A pattern and its replacement for the path or URL of the weights, or for all
            URLs of a named model's weights. Defaults to None.
        backend: The backend that runs the network. ``'eager'`` is plain PyTorch. All others are
            for inference only: ``'fused'`` and ``'compile'`` need no other package;
            ``'onnxruntime'``, ``'openvino'``, ``'ncnn'`` and ``'tensorrt'`` need theirs; ``'auto'``
            measures the installed ones and takes the fastest. The results of each are compared
            with those of eager when it is built. Defaults to ``'eager'``.
        precision: The precision of the backend: ``'float32'``, ``'bfloat16'``, ``'float16'`` or
            ``'int8'``, as far as hardware and backend support it. Defaults to ``'float32'``.
        batch_size: The batch size to tune the backend for. Defaults to 1.
        calibration: Representative images for ``'int8'``: a folder, or anything else that
            :func:`inference_model` takes. Defaults to None.
        key: The key of the weights in a file with several sets, such as ``'model_ema'``. Defaults
            to None: the usual one.
        prefix: The beginning of the keys of the network, such as ``'student.'``. Defaults to None:
            the only one with known keys behind it.
        **kwargs: Options to merge into the model's config, such as
            ``backbone=dict(out_indices=(1, 2))``, or ``data_preprocessor=dict(mean=[0, 0, 0],
            std=[255, 255, 255])`` for weights that were trained on images from 0 to 1.

    Returns:
        The model in eval mode. It maps images ``(N, 3, H, W)`` to logits ``(N, num_classes)``.
        ``extract_feat`` returns the pooled features of its ``out_indices``.

    Raises:
        WrnError: If the name is unknown, or the config or the weights are wrong.

    Warns:
        AssumptionWarning: If a file of weights leaves open which network or normalization it needs.
        RandomWeightsWarning: If some or all weights are random, though weights were requested.
    """
    options = _read_options(key, prefix, kwargs.get('data_preprocessor') or {})
    if options.mean is not None and options.std is not None:
        given = dict(mean=[*options.mean], std=[*options.std])
        kwargs['data_preprocessor'] = {**kwargs['data_preprocessor'], **given}
    resolved = resolve(model, device, options, url_mapping)
    if resolved.kind == 'model':
        raise WrnError('model: already built; give a name, a config or a file')
    if resolved.kind == 'exported':
        changed = (
            backend != 'eager' or precision != 'float32' or calibration or device_map or kwargs
        ) or options != ReadOptions()
        if isinstance(pretrained, str | PathLike) or changed:
            raise WrnError(
                f'{model}: an exported file has its own weights and runtime, and computes no '
                'features; give no other weights, backend or options with it, or give the original '
                'model'
            )
        return resolved.network
    if resolved.is_upstream:
        if key or prefix:
            raise WrnError(f"{model}: a model of mmpretrain's, which takes no key and no prefix")
        weights = str(pretrained) if isinstance(pretrained, PathLike) else pretrained
        network = mmpretrain.get_model(
            resolved.name, weights, device, device_map, offload_folder, url_mapping, **kwargs
        )
        network._dataset_meta = _drop_other_classes(network, network._dataset_meta)
        if pretrained is True and resolved.checkpoint is None:
            _warn_of_random_weights()
        return deploy(network, backend, precision, batch_size, calibration)
    config = resolved.get_config()
    file = None
    if isinstance(pretrained, str | PathLike):
        file = open_checkpoint(str(pretrained), options, url_mapping)
    elif pretrained and resolved.checkpoint:
        file = resolved.read_weights(url_mapping, options)
    elif pretrained:
        _warn_of_random_weights()
    if file is None and (key or prefix):
        raise WrnError('key and prefix: choose weights, but none are loaded; give pretrained')
    with config_errors(config.filename):
        config.model.data_preprocessor = get_data_preprocessor(config) or {}
        config.merge_from_dict({'model': kwargs})
        check_values(config)

    if file:
        network, meta = _build_pretrained(config, file, resolved.template)
        if file.entry is None:
            file.weights.warn(file.name)
    else:
        network, meta = _build(config), {}
    if device_map is not None:
        from mmpretrain.apis.utils import dispatch_model

        network = dispatch_model(network, device_map=device_map, offload_folder=offload_folder)
    elif device is not None:
        network.to(device)
    network._dataset_meta = _drop_other_classes(network, meta or get_dataset_meta(config))
    if meta.get('classes') and 'classes' not in network._dataset_meta:
        _logger.warning(
            '%s: names %s, but its head has another number; predictions have no names',
            resolved.name,
            count(len(meta['classes']), 'class'),
        )
    network._config = config
    network._metainfo = resolved.entry if resolved.kind == 'name' else None
    return deploy(network.eval(), backend, precision, batch_size, calibration)


def _warn_of_random_weights() -> None:
    message = 'no pretrained weights; the model is random'
    warnings.warn(message, RandomWeightsWarning, stacklevel=3)


def _read_options(
    key: str | None, prefix: str | None, preprocessor: Mapping[str, Any]
) -> ReadOptions:
    mean, std = (_read_statistic(key, preprocessor.get(key)) for key in ('mean', 'std'))
    if (mean is None) != (std is None):
        raise WrnError('data_preprocessor: has one of mean and std; give both')
    check_scale(std, 'data_preprocessor.std')
    return ReadOptions(key, prefix, mean, std)


def _read_statistic(key: str, value: Any) -> list[float] | None:
    """Return the values of a mean or a std: a number, or a list, array or tensor of some."""
    if value is None:
        return None
    values = value.tolist() if hasattr(value, 'tolist') else value
    values = [values] if isinstance(values, int | float) else values
    if not isinstance(values, Sequence) or not all(isinstance(v, int | float) for v in values):
        raise WrnError(f'data_preprocessor.{key}={value!r}: give a list of numbers')
    return [*values]


def _build(config: Config) -> BaseModel:
    with DefaultScope.overwrite_default_scope('mmpretrain'), config_errors(config.filename):
        network = MODELS.build(config.model)
        if isinstance(head := getattr(network, 'head', None), BaseModule):
            initialize(head)
    return network


def _build_pretrained(
    config: Config, file: CheckpointFile, template: str | None
) -> tuple[BaseModel, dict[str, Any]]:
    """Build a model with the weights of a file. Return it and the file's ``dataset_meta``."""
    weights, name = file.weights, file.name
    if template and file.entry is None:
        adapt_config(config, weights, name, template)
    network = _build_on_meta(config) or _build(config)
    fits = check_state_dict(network, weights.state_dict, name, new_head=True)
    if file.entry is None:
        assume_network(weights, config, name, template)
    if not fits:
        if network.with_head:
            message = f'{name}: the weights of the head do not match; the head is newly initialized'
            warnings.warn(message, RandomWeightsWarning, stacklevel=3)
            network = _build(config)
        backbone = {k: v for k, v in weights.state_dict.items() if k.startswith('backbone.')}
        weights.state_dict = {**network.state_dict(), **backbone}
    assign_state_dict(network, weights.state_dict)
    if normalization := weights.meta.get('normalization'):
        set_normalization(network, **normalization)
    return network, weights.meta.get('dataset_meta') or {}


def _build_on_meta(config: Config) -> BaseModel | None:
    """Build a model on the meta device. Return None if its weights would not complete it."""
    kind = (config.model.get('backbone') or {}).get('type')
    if not isinstance(kind, str) or kind.rpartition('.')[2] not in models.__all__:
        return None  # an unknown backbone may need its weights while it is built
    try:
        with MetaInit():
            network = _build(config)
    except WrnError:
        return None  # so may a custom head; real errors occur again in the normal build
    # Buffers outside the state dict would stay on the meta device.
    loaded = network.state_dict()
    others = (buffer for name, buffer in network.named_buffers() if name not in loaded)
    return None if any(buffer.is_meta for buffer in others) else network


def _drop_other_classes(network: BaseModel, meta: dict[str, Any]) -> dict[str, Any]:
    """Return metadata without class names if their number is not that of the head's classes."""
    num_classes = get_num_classes(network)
    if num_classes is not None and len(meta.get('classes') or ()) != num_classes:
        return {key: value for key, value in meta.items() if key != 'classes'}
    return meta
