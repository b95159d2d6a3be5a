"""Check the network of a run before the first image: its first weights, and the images it takes."""

from typing import Any

import torch
from mmengine.config import Config
from mmengine.model.weight_init import PretrainedInit
from mmengine.runner import CheckpointLoader
from mmpretrain.models import ImageClassifier
from torch import nn

from wrn import models
from wrn.checkpoints import to_openmmlab, unwrap_model
from wrn.checkpoints.network_options import get_kind
from wrn.config.config_errors import config_errors
from wrn.config.config_parts import get_inner_dataset, get_inner_model, get_test_dataset
from wrn.data.images import Preprocessing
from wrn_base.errors import WrnError, some

_PREFIX = 'backbone.'


def check_pretrained_init(cfg: Config) -> None:
    """Check that an ``init_cfg`` of the type ``Pretrained`` loads the weights of its file.

    mmengine skips keys that differ, with a line in its log. The network would stay random.

    Args:
        cfg: The config. Networks of other packages are not checked.

    Raises:
        WrnError: If it would skip weights of the backbone, or the file cannot be read.
    """
    model = get_inner_model(cfg.model)
    backbone = model.get('backbone') or {}
    if get_kind(backbone) not in models.__all__:
        return
    for key, owner in (('model', model), ('model.backbone', backbone)):
        given = owner.get('init_cfg') or []
        for init in [given] if isinstance(given, dict) else given:
            if init.get('type') in ('Pretrained', PretrainedInit):
                _check_keys(f'{key}.init_cfg', init, own='' if owner is model else _PREFIX)


def _check_keys(key: str, init: dict[str, Any], own: str) -> None:
    path, prefix = str(init.get('checkpoint')), init.get('prefix') or ''
    checkpoint = CheckpointLoader.load_checkpoint(path, 'cpu', logger='silent')
    stored = checkpoint.get('state_dict', checkpoint)
    start = prefix and f'{prefix.rstrip(".")}.'
    names = (name for name in map(str, stored) if name.startswith(start))
    found = {name.removeprefix(start or 'module.') for name in names}  # as mmengine takes off
    weights = to_openmmlab(checkpoint, path)
    weights.require_format(path)
    needed = {name.removeprefix(own) for name in weights.state_dict if name.startswith(_PREFIX)}
    if missing := needed - found:
        raise WrnError(
            f'{key}: {path} holds the weights under other keys than {some(missing)}, so mmengine '
            'would load none of these; give the file as load_from, which takes all formats'
        )


def check_forward(network: nn.Module, cfg: Config) -> None:
    """Check that the network of a run takes the images of its test or validation pipeline.

    Args:
        network: The network, which may be wrapped. It computes one image of noise. Networks of
            other packages are not checked.
        cfg: Its config.

    Raises:
        WrnError: If it does not take them.
    """
    model = unwrap_model(network)
    loader = next((k for k in ('test_dataloader', 'val_dataloader') if cfg.get(k)), None)
    ours = isinstance(model, ImageClassifier) and type(model.backbone).__name__ in models.__all__
    if not ours or loader is None:
        return
    parts = dict(model=get_inner_model(cfg.model), test_dataloader=cfg[loader])
    part = Config(parts, cfg_text=f'# the {loader} of a run', filename=cfg.filename)
    if 'pipeline' in get_inner_dataset(part, 'test_dataloader'):
        get_test_dataset(part)
    try:
        example = Preprocessing(part).example(1)
    except WrnError:  # a pipeline that needs more than an image, such as its label
        return
    training = model.training
    with config_errors(cfg.filename), torch.no_grad():
        model.eval()(model.data_preprocessor(dict(inputs=example))['inputs'], mode='tensor')
    model.train(training)
