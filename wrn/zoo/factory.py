"""Models by name, config or config path."""

import warnings
from collections.abc import Sequence
from os import PathLike
from typing import Any

import mmpretrain
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

from wrn import models
from wrn.checkpoints import assign_state_dict, check_state_dict, set_normalization
from wrn.checkpoints.checkpoint_file import CheckpointFile, open_checkpoint
from wrn.checkpoints.describe import check_backbone
from wrn.config.config_file import config_errors, get_dataset_meta
from wrn.data.images import ImageLike
from wrn.deploy.classifier import deploy, get_num_classes
from wrn.models.meta_init import MetaInit
from wrn.utils.errors import RandomWeightsWarning, WrnError
from wrn.zoo.resolve import resolve


def get_model(
    model: str | PathLike | Config,
    pretrained: bool | str | PathLike = False,
    device: str | torch.device | None = None,
    device_map: str | dict | None = None,
    offload_folder: str | None = None,
    url_mapping: tuple[str, str] | None = None,
    backend: str = 'eager',
    precision: str = 'float32',
    batch_size: int = 1,
    calibration: ImageLike | Sequence[ImageLike] | None = None,
    **kwargs: Any,
) -> BaseModel:
    """Build a model, as :func:`mmpretrain.get_model` does.

    A model of this package is found without reading mmpretrain's whole index, built without
    initialising weights that a checkpoint replaces, and refuses weights that do not fit. A name
    that is mmpretrain's own goes to :func:`mmpretrain.get_model`, which loads what fits.

    Args:
        model: The name of a model, the path of a config file, a config, or the path of a file of
            weights that holds its config, as ``wrn publish`` and ``wrn finetune`` write it, or of
            a file that ``wrn export`` wrote, which runs in its own runtime, for inference alone.
        pretrained: True loads the published weights of a named model, those of the file, or the
            config's ``load_from``; a string is the path, URL or ``hf://USER/REPO`` of weights to
            load, in any format that ``wrn convert`` knows. If the weights fit but for the head,
            which then has other classes, the head is newly initialised and a warning says so; with
            ``head=None`` it is left out. Defaults to False.
        device: Where to put the model. Defaults to None, the CPU.
        device_map: Where to put each submodule, for accelerate. Defaults to None.
        offload_folder: Where ``device_map`` offloads weights to the disk. Defaults to None.
        url_mapping: A pattern and a replacement for the path or URL of the weights, or for the
            URLs of all sources of a named model's weights. Defaults to None.
        backend: What runs the network: ``'eager'`` is torch, layer by layer. Of the others, which
            are for inference alone, ``'fused'`` and ``'compile'`` need nothing else,
            ``'onnxruntime'``, ``'openvino'``, ``'ncnn'`` and ``'tensorrt'`` are packages, and
            ``'auto'`` takes the fastest of those that are installed, by trying. Each is compared
            with eager when it is built. Defaults to ``'eager'``.
        precision: What such an engine computes in: ``'float32'``, ``'bfloat16'``, ``'float16'`` or
            ``'int8'``, where the hardware and the engine can. Defaults to ``'float32'``.
        batch_size: How many pictures an engine is to take at a time, for which it is tuned.
            Defaults to 1.
        calibration: Pictures like those that ``'int8'`` will be used on: a folder, or what else
            :func:`inference_model` takes. Defaults to None.
        **kwargs: Merged into the model's config, such as ``backbone=dict(out_indices=(1, 2))``.

    Returns:
        The model in eval mode. It maps images ``(N, 3, H, W)`` to class scores
        ``(N, num_classes)``; ``extract_feat`` gives the features of its ``out_indices``, pooled.

    Raises:
        WrnError: If the name is unknown, or the config or the weights are wrong.
    """
    resolved = resolve(model, device, url_mapping=url_mapping)
    if resolved.kind == 'model':
        raise WrnError('model: is built already; give a name, a config or a file')
    if resolved.kind == 'exported':
        changed = (
            backend != 'eager' or precision != 'float32' or calibration or device_map or kwargs
        )
        if isinstance(pretrained, str | PathLike) or changed:
            raise WrnError(
                f'{model}: is a network with its weights, for its own runtime, that computes '
                'scores; give no other weights, backend or options with it, and for features the '
                'model that it was made of'
            )
        return resolved.network
    if resolved.is_upstream:
        weights = str(pretrained) if isinstance(pretrained, PathLike) else pretrained
        network = mmpretrain.get_model(
            resolved.name, weights, device, device_map, offload_folder, url_mapping, **kwargs
        )
        network._dataset_meta = _fitting_meta(network, network._dataset_meta)
        if pretrained is True and resolved.checkpoint is None:
            _warn_of_random_weights()
        return deploy(network, backend, precision, batch_size, calibration)
    config = resolved.get_config()
    file = None
    if isinstance(pretrained, str | PathLike):
        file = open_checkpoint(str(pretrained), url_mapping=url_mapping)
    elif pretrained and resolved.checkpoint:
        file = resolved.read_weights(url_mapping)
    elif pretrained:
        _warn_of_random_weights()
    with config_errors(config.filename):
        config.merge_from_dict({'model': kwargs})
        config.model.setdefault('data_preprocessor', config.get('data_preprocessor'))

    meta: dict[str, Any] = {}
    if file:
        network, meta = _build_pretrained(config, file)
    else:
        network = _build(config)
    if device_map is not None:
        from mmpretrain.apis.utils import dispatch_model

        network = dispatch_model(network, device_map=device_map, offload_folder=offload_folder)
    elif device is not None:
        network.to(device)
    network._dataset_meta = _fitting_meta(network, meta or get_dataset_meta(config))
    network._config = config
    network._metainfo = resolved.entry if resolved.kind == 'name' else None
    return deploy(network.eval(), backend, precision, batch_size, calibration)


def _warn_of_random_weights() -> None:
    message = 'there are no pretrained weights; the model is random'
    warnings.warn(message, RandomWeightsWarning, stacklevel=3)


def _build(config: Config) -> BaseModel:
    with DefaultScope.overwrite_default_scope('mmpretrain'), config_errors(config.filename):
        return MODELS.build(config.model)


def _build_pretrained(config: Config, file: CheckpointFile) -> tuple[BaseModel, dict[str, Any]]:
    """Build a model with the weights of a file; return it and the file's ``dataset_meta``."""
    weights, source = file.weights, file.name
    network = _build_empty(config) or _build(config)
    fits = check_state_dict(network, weights.state_dict, source, new_head=True)
    check_backbone(weights, config.model.get('backbone') or {}, source)
    if not fits:
        if network.with_head:
            message = f'{source}: the weights of the head do not fit; the head is newly initialised'
            warnings.warn(message, RandomWeightsWarning, stacklevel=3)
            network = _build(config)
        backbone = {k: v for k, v in weights.state_dict.items() if k.startswith('backbone.')}
        weights.state_dict = {**network.state_dict(), **backbone}
    assign_state_dict(network, weights.state_dict)
    if normalization := weights.meta.get('normalization'):
        set_normalization(network, **normalization)
    return network, weights.meta.get('dataset_meta') or {}


def _build_empty(config: Config) -> BaseModel | None:
    """Build one of our networks without memory for its weights; None if that cannot be done."""
    kind = (config.model.get('backbone') or {}).get('type')
    if not isinstance(kind, str) or kind.rpartition('.')[2] not in models.__all__:
        return None  # a network that we do not know may need its weights when it is built
    try:
        with MetaInit():
            network = _build(config)
    except WrnError:
        return None  # nor may a head of somebody's own; what is truly wrong, the caller meets again
    # Only what the state dict fills may be empty.
    filled = network.state_dict()
    others = (buffer for name, buffer in network.named_buffers() if name not in filled)
    return None if any(buffer.is_meta for buffer in others) else network


def _fitting_meta(network: BaseModel, meta: dict[str, Any]) -> dict[str, Any]:
    """Leave out the names of other classes than the head has."""
    number = get_num_classes(network)
    if number is not None and len(meta.get('classes') or ()) != number:
        return {key: value for key, value in meta.items() if key != 'classes'}
    return meta
