"""The config of a run that fine-tunes a model on a data folder."""

import inspect
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from wrn.config.config_file import read_config
from wrn.config.config_parts import get_test_dataset
from wrn.data.splitting import Splits
from wrn.utils.errors import WrnError
from wrn.zoo.resolve import ResolvedModel

BASE = 'configs/_base_/finetune.py'
_KEPT = {'custom_imports', *inspect.signature(Runner).parameters}
_MOST_WORKERS = 4
_SIDE = 32  # pixels, of networks whose own data sets are of that size


def finetune_config(
    splits: Splits,
    model: ResolvedModel,
    checkpoint: str | None = None,
    epochs: int | None = None,
    frozen_stages: int = -1,
    seed: int = 0,
) -> Config:
    """Make the config of a run that fine-tunes a model.

    It is ``configs/_base_/finetune.py`` with the network of the model, its preparation of pictures,
    and the data.

    Args:
        splits: The pictures; :func:`annotate` lets the data sets read the lists of them.
        model: The model to start from.
        checkpoint: The weights to start from. Defaults to None, the model's own.
        epochs: How long to train. Defaults to None, as the base says.
        frozen_stages: How many stages do not learn, with the stem, of 0 alone; -1 for all that
            learn. Defaults to -1.
        seed: The seed of the run. Defaults to 0.

    Returns:
        The config, named after the data folder; its ``work_dir`` is not used for anything yet.

    Raises:
        WrnError: If the model cannot be had, or has no weights to start from.
    """
    cfg = read_config(BASE)
    origin = model.get_config()
    cfg.load_from = checkpoint or model.checkpoint
    if not cfg.load_from:
        raise WrnError(f'{model.name}: has no weights to start from; give them with --checkpoint')
    cfg.model = _adapt_model(origin, len(splits.classes), frozen_stages)
    own = origin.model.get('data_preprocessor') or origin.get('data_preprocessor')
    cfg.data_preprocessor = deepcopy(own or {})
    cfg.data_preprocessor.pop('num_classes', None)  # of what mixes pictures, which is left out
    cfg.data_preprocessor.pop('batch_augments', None)
    _set_data(cfg, origin, splits)
    if epochs:
        _set_epochs(cfg, epochs)
    cfg.randomness.seed = seed
    name = splits.folder.resolve().name
    parts = {key: value for key, value in cfg.to_dict().items() if key in _KEPT}
    return Config(parts, cfg_text=f'# {BASE}', filename=f'{name}.py')


def annotate(cfg: Config, splits: Splits, folder: str | Path) -> None:
    """Write the lists of the pictures into a folder, and let the data sets read them.

    Args:
        cfg: The config, which is changed.
        splits: The pictures.
        folder: An existing folder.

    Raises:
        WrnError: If the lists cannot be written.
    """
    splits.write(folder)
    for split in splits.pictures:
        if loader := cfg.get(f'{split}_dataloader'):
            loader.dataset.ann_file = str(Path(folder, f'{split}.txt').resolve())


def _adapt_model(origin: Config, classes: int, frozen_stages: int) -> dict[str, Any]:
    model = deepcopy(origin.model)
    for key in ('train_cfg', 'pretrained', 'data_preprocessor'):
        model.pop(key, None)
    kind = str(model.backbone.type).rpartition('.')[2]
    stages = model.backbone.get('num_stages', 3 if kind == 'WideResNetCIFAR' else 4)
    if not -1 <= frozen_stages <= stages:
        raise WrnError(f'--freeze {frozen_stages}: the network has stages 1 to {stages}')
    model.backbone.frozen_stages = frozen_stages
    head = str((model.get('head') or {}).get('type')).rpartition('.')[2]
    if head != 'LinearClsHead':
        raise WrnError(f'{origin.filename}: has no head of type LinearClsHead for other classes')
    loss = dict(type='CrossEntropyLoss', loss_weight=1.0)
    model.head.update(num_classes=classes, topk=_topk(classes), loss=loss)
    return model


def _set_data(cfg: Config, origin: Config, splits: Splits) -> None:
    test_pipeline = get_test_dataset(origin).pipeline
    train_pipeline = (_inner_dataset(origin.get('train_dataloader')) or {}).get('pipeline')
    pipelines = dict(train=train_pipeline or test_pipeline, val=test_pipeline, test=test_pipeline)
    if not any(str(step.type).startswith('Load') for step in test_pipeline):
        # The model's own data set has pixels, red first; pictures in files are read blue first.
        cfg.data_preprocessor.to_rgb = True
        pipelines = {split: _from_files(pipeline) for split, pipeline in pipelines.items()}
    evaluator = dict(type='Accuracy', topk=_topk(len(splits.classes)))
    for split, pipeline in pipelines.items():
        loader = deepcopy(cfg[f'{split}_dataloader'])
        loader.num_workers = min(os.cpu_count() or 1, _MOST_WORKERS)
        loader.dataset = dict(
            type='CustomDataset',
            data_root='',
            data_prefix=str(splits.folder.resolve()),
            metainfo=dict(classes=splits.classes),
            pipeline=deepcopy(pipeline),
        )
        cfg[f'{split}_dataloader'] = loader
    cfg.val_evaluator = cfg.test_evaluator = evaluator


def _from_files(pipeline: list[ConfigDict]) -> list[dict[str, Any]]:
    load: list[dict[str, Any]] = [dict(type='LoadImageFromFile')]
    if not any(str(step.type).startswith('Resize') for step in pipeline):
        load.append(dict(type='Resize', scale=(_SIDE, _SIDE), backend='pillow'))
    return [*load, *pipeline]


def _inner_dataset(loader: ConfigDict | None) -> ConfigDict | None:
    dataset = (loader or {}).get('dataset')
    while dataset and 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset


def _topk(classes: int) -> tuple[int, ...]:
    return (1, 5) if classes > 5 else (1,)


def _set_epochs(cfg: Config, epochs: int) -> None:
    warm_up, cosine = cfg.param_scheduler
    if epochs <= warm_up.end:
        cfg.param_scheduler = [cosine]
        cosine.begin = 0
    cosine.update(T_max=epochs - cosine.begin, end=epochs)
    cfg.train_cfg.max_epochs = epochs
