"""Check that the network of a run takes its images, before the first image."""

import torch
from mmengine.config import Config
from mmpretrain.models import ImageClassifier
from torch import nn

from wrn import models
from wrn.checkpoints import unwrap_model
from wrn.config.config_errors import config_errors
from wrn.config.config_parts import get_inner_dataset, get_inner_model, get_test_dataset
from wrn.data.images import Preprocessing
from wrn_base.errors import WrnError


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
