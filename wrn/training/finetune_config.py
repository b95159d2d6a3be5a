"""Make the config of a run that fine-tunes a model on a data folder."""

import inspect
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.models import LinearClsHead
from mmpretrain.registry import MODELS, TRANSFORMS
from torch import Tensor

from wrn.checkpoints.checkpoint_file import localize
from wrn.config.config_errors import config_errors
from wrn.config.config_file import read_config
from wrn.config.config_parts import (
    choose_topk,
    find_class,
    get_data_preprocessor,
    get_inner_dataset,
    get_test_dataset,
)
from wrn.data import LoadRandomResizedCrop
from wrn.data.images import LoadImage, Preprocessing, is_reading, is_red_first
from wrn.data.splitting import Splits
from wrn.models import WideResNetCIFAR
from wrn.zoo.resolve import ResolvedModel
from wrn_base.errors import WrnError

BASE = 'configs/_base_/finetune.py'
FINE_TUNED = ' fine-tuned on '  # between weights and data folder, in the provenance
_KEPT = {'custom_imports', *inspect.signature(Runner).parameters}
_MOST_WORKERS = 4
_SIDE = 32  # pixels; the input size of networks for datasets of arrays, such as CIFAR-10


def make_finetune_config(
    splits: Splits,
    model: ResolvedModel,
    checkpoint: str | None = None,
    frozen_stages: int = -1,
    seed: int = 0,
    bit_depth: int | None = None,
) -> Config:
    """Make the config of a run that fine-tunes a model.

    It is ``configs/_base_/finetune.py`` with the network and preprocessing of the model, and with
    the images to train on.

    Args:
        splits: The images. :func:`write_annotations` adds their annotation files to the config.
        model: The model to start from.
        checkpoint: The weights to start from. Defaults to None, the model's own.
        frozen_stages: The number of frozen stages. With 0, only the stem is frozen; with -1,
            nothing is. Defaults to -1.
        seed: The seed of the run. Defaults to 0.
        bit_depth: The bits that the values of 16-bit images have, such as 12. The config's reading
            steps get the range. Defaults to None, 16.

    Returns:
        The config, named after the data folder.

    Raises:
        WrnError: If the model has no weights to start from, no linear head or fewer stages.
    """
    cfg = read_config(BASE)
    origin = model.get_config()
    cfg.load_from = localize(checkpoint) if checkpoint else model.checkpoint
    if not cfg.load_from:
        raise WrnError(f'{model.name}: has no weights to start from; give them with --checkpoint')
    with config_errors(origin.filename):
        cfg.model = _adapt_model(origin, len(splits.classes), frozen_stages)
        cfg.data_preprocessor = deepcopy(get_data_preprocessor(origin) or {})
        cfg.data_preprocessor.num_classes = len(splits.classes)  # for mixup and CutMix
        cfg.data_preprocessor.pop('batch_augments', None)
        _set_data(cfg, origin, splits, bit_depth)
        _try_network(cfg, Preprocessing(origin).example(1))
    cfg.randomness.seed = seed
    name = splits.folder.resolve().name
    parts = {key: value for key, value in cfg.to_dict().items() if key in _KEPT}
    return Config(parts, cfg_text=f'# {BASE}', filename=f'{name}.py')


def write_annotations(cfg: Config, splits: Splits, folder: str | Path) -> None:
    """Write the annotation files of the splits, and let the datasets of a config read them.

    Args:
        cfg: The config, which is changed.
        splits: The images.
        folder: An existing folder.

    Raises:
        WrnError: If the files cannot be written.
    """
    splits.write(folder)
    for split in splits.images:
        if loader := cfg.get(f'{split}_dataloader'):
            loader.dataset.ann_file = str(Path(folder, f'{split}.txt').resolve())


def _try_network(cfg: Config, images: Tensor) -> None:
    """Build the network and run it, so that an error names the config that it comes from."""
    with DefaultScope.overwrite_default_scope('mmpretrain'), torch.no_grad():
        parts = dict(cfg.model, data_preprocessor=cfg.data_preprocessor)
        network = MODELS.build(deepcopy(parts)).eval()  # building adds keys
        network(network.data_preprocessor(dict(inputs=images))['inputs'], mode='tensor')


def _adapt_model(origin: Config, num_classes: int, frozen_stages: int) -> ConfigDict:
    model = deepcopy(origin.model)
    for key in ('train_cfg', 'pretrained', 'data_preprocessor'):
        model.pop(key, None)
    default = 3 if find_class(MODELS, model.backbone.get('type')) is WideResNetCIFAR else 4
    stages = model.backbone.get('num_stages', default)
    if not -1 <= frozen_stages <= stages:
        raise WrnError(f'--freeze {frozen_stages}: must be from -1 (nothing) to {stages}')
    model.backbone.frozen_stages = frozen_stages
    if find_class(MODELS, (model.get('head') or {}).get('type')) is not LinearClsHead:
        raise WrnError(
            f'{origin.filename}: fine-tuning needs a head of type LinearClsHead; give another model'
        )
    loss = dict(type='CrossEntropyLoss', loss_weight=1.0)
    model.head.update(num_classes=num_classes, topk=choose_topk(num_classes), loss=loss)
    return model


def _set_data(cfg: Config, origin: Config, splits: Splits, bit_depth: int | None) -> None:
    test_pipeline = get_test_dataset(origin).pipeline
    train_pipeline = get_inner_dataset(origin, 'train_dataloader').get('pipeline') or test_pipeline
    if is_red_first(test_pipeline):
        # The model's own dataset yields RGB arrays, but image files are read as BGR.
        cfg.data_preprocessor.to_rgb = True
        gray = origin.model.backbone.get('in_channels') == 1
        color_type = 'grayscale' if gray else 'color'
        train_pipeline = _read_files(train_pipeline, color_type)
        test_pipeline = _read_files(test_pipeline, color_type)
    if bit_depth:
        train_pipeline = _set_range(train_pipeline, bit_depth)
        test_pipeline = _set_range(test_pipeline, bit_depth)
    for split in ('train', 'val', 'test'):
        loader = deepcopy(cfg[f'{split}_dataloader'])
        loader.num_workers = min(os.cpu_count() or 1, _MOST_WORKERS)
        loader.dataset = dict(
            type='CustomDataset',
            data_root='',
            data_prefix=str(splits.folder.resolve()),
            metainfo=dict(classes=splits.classes),
            pipeline=deepcopy(train_pipeline if split == 'train' else test_pipeline),
        )
        cfg[f'{split}_dataloader'] = loader
    metric = dict(type='Accuracy', topk=choose_topk(len(splits.classes)))
    # The validation loss beside that of training shows overfitting.
    cfg.val_evaluator, cfg.test_evaluator = [metric, dict(type='Calibration')], metric


def _read_files(pipeline: list[Any], color_type: str) -> list[Any]:
    """Prepend the steps that turn image files into arrays of the size that a pipeline expects."""
    steps: list[dict[str, Any]] = [dict(type='LoadImageFromFile', color_type=color_type)]
    if not any(str(step.type).startswith('Resize') for step in pipeline):
        steps.append(dict(type='Resize', scale=(_SIDE, _SIDE), backend='pillow'))
    return [*steps, *pipeline]


def _set_range(pipeline: list[Any], bit_depth: int) -> list[Any]:
    """Let the reading steps of a pipeline read values of a bit depth."""
    steps = [dict(step) for step in pipeline]
    for step in filter(is_reading, steps):
        kind = find_class(TRANSFORMS, step['type'])
        if kind is LoadImageFromFile:
            step['type'] = 'LoadImage'
        elif kind not in (LoadImage, LoadRandomResizedCrop):
            raise WrnError(
                f'--bit-depth {bit_depth}: images are read by {step["type"]}, which has no '
                'value_range; use LoadImage in the config'
            )
        step['value_range'] = (0, 2**bit_depth - 1)
    return steps
