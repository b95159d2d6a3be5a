"""Find mistakes in the data and the checkpoint before a run, not somewhere inside it."""

import os
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import OPTIMIZERS
from torch.utils.data import DataLoader

from wrn.checkpoints import Weights, check_state_dict, set_normalization, to_openmmlab
from wrn.checkpoints.describe import check_backbone
from wrn.data.images import is_hidden
from wrn.data.listing import read_annotations
from wrn.utils.errors import CheckpointError, WrnError

_RECIPE = "see 'Your own pictures' in the README"


def check_data_folder(name: str, dataset: ConfigDict, num_classes: int | None) -> None:
    """Check that the folder of an ImageNet-style data set is there and has the right classes.

    Args:
        name: The key of the data loader, for messages, such as ``'train_dataloader'``.
        dataset: The config of its data set. Of other types than ``ImageNet`` and
            ``CustomDataset`` nothing is checked, nor of folders that are not local.
        num_classes: The number of classes of the model's head, if it has one.

    Raises:
        WrnError: If the folder or the annotation file is missing, has no class folders, or has
            another number of them than the head has classes, or a line without such a label.
    """
    key = f'{name}.dataset'
    while 'dataset' in dataset:  # RepeatDataset and the like
        dataset, key = dataset.dataset, f'{key}.dataset'
    root, annotations = (str(dataset.get(key) or '') for key in ('data_root', 'ann_file'))
    kind = str(dataset.type).rpartition('.')[2]
    if kind not in ('ImageNet', 'CustomDataset') or '://' in root + annotations:
        return
    split = dataset.get('split') or ''
    prefix = dataset.get('data_prefix') or split
    if isinstance(prefix, dict):
        prefix = prefix.get('img_path', '')
    if not (root or prefix or annotations):
        raise WrnError(f'{key}: names no data; set --cfg-options {key}.data_root=FOLDER')
    folder = Path(root, prefix)
    if not folder.is_dir():
        raise WrnError(
            f'{folder}: the data folder does not exist; put the pictures there, or give another '
            f'with --cfg-options {key}.data_root=FOLDER'
        )
    listed = Path(root, annotations or f'meta/{split}.txt')
    if annotations and not listed.is_file():
        raise WrnError(
            f'{listed}: the annotation file does not exist; give another with --cfg-options '
            f'{key}.ann_file=FILE'
        )
    if dataset.get('with_label', True):
        if listed.is_file():
            _check_annotations(listed, num_classes)
        else:
            _check_class_folders(name, folder, num_classes)
    named = dataset.get('metainfo') or dataset.get('classes')
    if kind == 'ImageNet' and not named and num_classes not in (None, 1000):
        raise WrnError(
            f"{key}.type: 'ImageNet' has 1000 classes, but the head of the model has "
            f"{num_classes}; the type of other data is 'CustomDataset': {_RECIPE}"
        )


def _check_class_folders(name: str, folder: Path, num_classes: int | None) -> None:
    with os.scandir(folder) as entries:
        classes = sum(entry.is_dir() and not is_hidden(entry.name) for entry in entries)
    if classes == 0:
        raise WrnError(
            f'{folder}: the data folder is empty; it must have a folder of pictures for each class'
        )
    if num_classes not in (None, classes):
        cure = (
            f'for data of your own {_RECIPE}'
            if name == 'train_dataloader'
            else 'it must have a folder for each class of the training data, though empty'
        )
        raise WrnError(
            f'{folder}: has {classes} class folders, but the head of the model has {num_classes} '
            f'classes; {cure}'
        )


def _check_annotations(ann_file: Path, num_classes: int | None) -> None:
    """Check the labels: one that is too large ends an epoch, or is merely counted as wrong."""
    number = 0
    for number, _, label in read_annotations(ann_file):
        if label is None or (num_classes is not None and label >= num_classes):
            raise WrnError(
                f'{ann_file}: line {number} must be the path of a picture, a space, and its label'
                + (f' from 0 to {num_classes - 1}' if num_classes else '')
            )
    if number == 0:
        raise WrnError(f'{ann_file}: the annotation file is empty')


def check_topk(name: str, metrics: Any, num_classes: int | None) -> None:
    """Check that no top-k accuracy is asked for of fewer than k classes.

    mmpretrain finds it when the first validation ends, after an epoch of training.

    Args:
        name: The key of the evaluator, for messages, such as ``'val_evaluator'``.
        metrics: Its config: that of a metric, or several.
        num_classes: The number of classes of the model's head, if it has one.

    Raises:
        WrnError: If it is.
    """
    for metric in [metrics] if isinstance(metrics, dict) else metrics or []:
        if str(metric.get('type')).rpartition('.')[2] != 'Accuracy':
            continue  # the k of other metrics counts other things
        topk = metric.get('topk', 1)
        most = max(topk) if isinstance(topk, list | tuple) else topk
        if num_classes is not None and most > num_classes:
            raise WrnError(
                f'{name}.topk: top-{most} accuracy needs at least {most} classes, but the head of '
                f'the model has {num_classes}; set {name}.topk=1'
            )


def check_optimizer(cfg: Config) -> None:
    """Check that the optimizer's type is registered.

    mmengine says "None is not a callable object" of another; this can go when it says which.

    Args:
        cfg: The config.

    Raises:
        WrnError: If there is none.
        KeyError: If it is not registered, as for every other type.
    """
    if cfg.get('optim_wrapper') is None:
        raise WrnError(f'{cfg.filename}: has no optim_wrapper, so it cannot be trained')
    kind = (cfg.optim_wrapper.get('optimizer') or {}).get('type')
    if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
        raise KeyError(f'{kind} is not in the optimizer registry')


def get_num_classes(model: ConfigDict) -> int | None:
    """Return the number of classes of a model's head, from its config, if it says one."""
    model = model.get('module', model)  # test-time augmentation wraps it
    return (model.get('head') or {}).get('num_classes')


def check_classes(name: str, loader: DataLoader, num_classes: int | None) -> None:
    """Check that a data set has as many classes as the head of the model.

    Args:
        name: The key of the data loader, for messages, such as ``'train_dataloader'``.
        loader: The data loader. Of a data set that names no classes nothing is checked.
        num_classes: The number of classes of the head, if it has one.

    Raises:
        WrnError: If it has another number of them.
    """
    classes = getattr(loader.dataset, 'metainfo', {}).get('classes')
    if classes is None or num_classes is None:
        return
    if len(classes) != num_classes:
        raise WrnError(
            f'{name}: the data set has {len(classes)} classes, but the head of the model has '
            f'{num_classes}; set model.head.num_classes={len(classes)} in the config'
        )


class ClassCheckHook(Hook):
    """Refuse a data set with another number of classes than the head of the model.

    Args:
        num_classes: The number of classes of the head, if it has one.
    """

    def __init__(self, num_classes: int | None) -> None:
        self.num_classes = num_classes

    def before_train(self, runner: Runner) -> None:
        """Check the data to train with."""
        check_classes('train_dataloader', runner.train_dataloader, self.num_classes)

    def before_test(self, runner: Runner) -> None:
        """Check the data to test with."""
        check_classes('test_dataloader', runner.test_dataloader, self.num_classes)


class CheckpointCheckHook(Hook):
    """Refuse a checkpoint that does not fit the model; mmengine would go on with random weights.

    One of another format, such as torchvision's, is converted.

    Args:
        resume: Whether the run resumes another, and so needs the optimizer's state too.
        new_head: Whether the head may have other classes than the checkpoint, as in fine-tuning;
            it is then newly initialised, also if they are as many.
    """

    def __init__(self, resume: bool = False, new_head: bool = False) -> None:
        self.resume = resume
        self.new_head = new_head

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Check the checkpoint; mmengine calls this before it takes the weights from it."""
        source = str(runner._load_from or runner.work_dir)
        if self.resume and 'epoch' not in (checkpoint.get('meta') or {}):
            raise CheckpointError(
                f'{source}: holds weights, but not the state of a training run, so it cannot be '
                'resumed; start from its weights with --cfg-options load_from=FILE'
            )
        weights = to_openmmlab(checkpoint, source)
        if self.new_head and _other_classes(weights, runner):
            kept = {k: v for k, v in weights.state_dict.items() if not k.startswith('head.')}
            weights.state_dict = kept
        checkpoint['state_dict'] = weights.state_dict
        fits = check_state_dict(runner.model, weights.state_dict, source, new_head=self.new_head)
        if not fits:
            runner.logger.warning(f'{source}: the head does not fit and is newly initialised')
        model = runner.cfg.model
        backbone = model.get('module', model).get('backbone') or {}
        check_backbone(weights, backbone, source)
        if normalization := weights.meta.get('normalization'):
            set_normalization(runner.model, **normalization)


def _other_classes(weights: Weights, runner: Runner) -> bool:
    """Tell whether weights are for other classes than the data, though they may be as many."""
    theirs: Any = (weights.meta.get('dataset_meta') or {}).get('classes')
    ours = getattr(runner.train_dataloader.dataset, 'metainfo', {}).get('classes')
    return theirs is not None and ours is not None and [*theirs] != [*ours]
