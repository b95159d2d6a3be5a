"""The network that computes the features of a head, and the backend that runs it."""

import hashlib
import json
import logging
import time
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from torch import Tensor

from wrn.checkpoints import ReadOptions
from wrn.checkpoints.tensor_hash import hash_tensors
from wrn.config.config_parts import get_inner_dataset
from wrn.data.images import Preprocessing
from wrn.deploy.classifier import deploy
from wrn.deploy.engines.engine import EngineError
from wrn.zoo.factory import get_model
from wrn_base.errors import WrnError, count
from wrn_base.progress_line import about
from wrn_base.version import __version__

_FORMAT = 1  # of the key: raise it when the same key gives other features
_WITHOUT_EFFECT = ('frozen_stages', 'norm_eval', 'with_cp', 'init_cfg', 'channels_last')
_BATCH = 8  # images to measure the speed with: larger batches are hardly faster per image
# Below this time in eager, other backends are not tried: building those of a wide-resnet50 takes 20
# seconds, and the fastest saves a third (docs/inference.md).
_WORTH_TRYING = 60.0  # seconds
_logger = logging.getLogger('wrn')


def build_feature_network(
    cfg: Config, template: str | None, options: ReadOptions, device: str
) -> BaseModel:
    """Build the network of a fine-tuning run without its head.

    Args:
        cfg: A config made by :func:`wrn.training.make_finetune_config`, with weights to start from.
        template: The file name of the config that it was made from. What that leaves open is
            completed from the weights, if it is a shipped one.
        options: What to take from the weights.
        device: The device of the network.

    Returns:
        The network, in eval mode. ``extract_feat`` returns what the head takes, ``(N, C)``.

    Raises:
        WrnError: If the weights cannot be read, or do not fit.
    """
    named = Config(cfg.to_dict(), cfg.text, template)
    more: dict[str, Any] = {}
    if options.mean is not None and options.std is not None:
        more['data_preprocessor'] = dict(mean=[*options.mean], std=[*options.std])
    key, prefix = options.key, options.prefix
    return get_model(named, cfg.load_from, device, key=key, prefix=prefix, head=None, **more)


def describe_features(network: BaseModel, cfg: Config, augmentation: tuple[int, ...]) -> str:
    """Return a key of all that features depend on beside the image.

    That is the weights, the network, the normalization, the steps of the pipeline, the precision
    and the version of this package.

    Args:
        network: The network.
        cfg: The config, with the pipelines.
        augmentation: What random steps depend on. If empty, the pipeline is that of the test, else
            that of training.

    Returns:
        Hexadecimal digits.
    """
    model = network._config.model
    backbone = {k: v for k, v in model.backbone.items() if k not in _WITHOUT_EFFECT}
    buffers = {k: v.flatten().tolist() for k, v in network.data_preprocessor.named_buffers()}
    loader = 'train_dataloader' if augmentation else 'test_dataloader'
    weights = {k: v.contiguous() for k, v in network.state_dict().items()}
    on_gpu = next(network.parameters()).device.type == 'cuda'  # torch convolves in TF32 there
    known = dict(
        format=_FORMAT,
        version=__version__,
        weights=hash_tensors(weights),
        model=[backbone, model.get('neck')],
        normalization=[model.data_preprocessor, buffers],
        pipeline=get_inner_dataset(cfg, loader).pipeline,
        augmentation=augmentation,
        precision='tf32' if on_gpu else 'float32',
    )
    return hashlib.sha256(json.dumps(known, sort_keys=True, default=repr).encode()).hexdigest()[:32]


def choose_backend(network: BaseModel, images: int, batch_size: int) -> BaseModel:
    """Run a network in the backend that is fastest for a number of images, and log which one it is.

    That is eager for few images. For more, it is the fastest of the installed backends that
    computes the same.

    Args:
        network: The network, in eval mode.
        images: The number of images to compute.
        batch_size: The number of images at a time.

    Returns:
        The network, or one that runs in another backend.
    """
    if images <= _BATCH:
        return network
    seconds = images * time_forward(network, Preprocessing(network._config).example(_BATCH))
    if seconds < _WORTH_TRYING:
        _logger.info(
            'features: backend eager; trying others takes longer for %s',
            count(images, 'image'),
        )
        return network
    _logger.info(
        'features: %s for %s in eager; trying the other backends',
        about(seconds),
        count(images, 'image'),
    )
    try:
        return deploy(network, 'auto', batch_size=batch_size)
    except EngineError as error:
        _logger.info('features: backend eager, since no other works (%s)', error)
        return network


def time_forward(network: BaseModel, images: Tensor) -> float:
    """Return the seconds per image of a network, normalization included.

    Args:
        network: The network, in eval mode.
        images: Preprocessed images, ``(N, C, H, W)``. They are computed twice: the first time is
            slower.
    """
    for _ in range(2):
        start = time.perf_counter()
        extract(network, images)
        seconds = time.perf_counter() - start
    return seconds / len(images)


def extract(network: BaseModel, images: Tensor) -> Tensor:
    """Return the features of images.

    Args:
        network: The network, or one that runs in a backend.
        images: Preprocessed images, ``(N, C, H, W)``, uint8.

    Returns:
        The features, ``(N, C)``, float32, on the CPU.

    Raises:
        WrnError: If the network has no vector for each image.
    """
    with torch.inference_mode():
        inputs = network.data_preprocessor(dict(inputs=images))['inputs']
        features = network.extract_feat(inputs)[-1]
    if features.ndim != 2:
        raise WrnError(
            f'{network._config.filename}: the network has feature maps of {features.ndim} '
            "dimensions before its head; add neck=dict(type='GlobalAveragePooling')"
        )
    return features.float().cpu()
