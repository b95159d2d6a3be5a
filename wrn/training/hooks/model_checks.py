"""Check the data and the checkpoint of a run against its model."""

import logging
from collections.abc import Sequence
from typing import Any

from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from mmpretrain.registry import DATASETS
from torch.utils.data import DataLoader

from wrn.checkpoints import (
    ReadOptions,
    check_state_dict,
    to_openmmlab,
    unwrap_model,
)
from wrn.checkpoints.assumptions import assume_network, check_same
from wrn.checkpoints.checkpoint_file import find_entry
from wrn.config.config_file import read_own_config
from wrn.config.config_parts import find_class, get_inner_dataset, get_inner_model
from wrn.data.class_names import (
    are_among,
    get_classes,
    match_classes,
    name_classes,
    same_classes,
)
from wrn.training.checks import get_num_classes
from wrn.training.hooks.normalization import use_normalization
from wrn_base.errors import CheckpointError, WrnError, count, some


def check_classes(
    key: str, loader: DataLoader[Any], model: ConfigDict, name: str | None = None
) -> None:
    """Check that a dataset has as many classes as the head of the model.

    Args:
        key: The config key of the data loader, such as ``'train_dataloader'``.
        loader: The data loader. A dataset without class names is not checked.
        model: The config of the model. A head without ``num_classes`` is not checked.
        name: The name of the data, for messages. Defaults to None, the key.

    Raises:
        WrnError: If the numbers differ.
    """
    classes, num_classes = get_classes(loader.dataset), get_num_classes(model)
    if classes is not None and num_classes not in (None, len(classes)):
        number = len(classes)
        cure = f'set model.head.num_classes={number} in the config'
        if key == 'test_dataloader':
            cure = 'add a folder, even an empty one, for each missing class of the training data'
        raise WrnError(
            f'{name or key}: the dataset has {count(number, "class")}, but the head of the model '
            f'has {num_classes}; {cure}'
        )


class ClassCheckHook(Hook):
    """Compare the classes of the data with those of the network by name, before the first image.

    The labels of data that has some of the network's classes are mapped to it, which is logged.
    Data with other classes is refused.
    """

    def before_train(self, runner: Runner) -> None:
        """Check the training dataset, and compare the validation dataset with it."""
        self._match(runner, 'train_dataloader', runner.train_loop)
        if runner.val_loop is not None:
            classes = get_classes(runner.train_dataloader.dataset)
            self._match(runner, 'val_dataloader', runner.val_loop, classes)

    def before_test(self, runner: Runner) -> None:
        """Check the test dataset."""
        self._match(runner, 'test_dataloader', runner.test_loop)

    def _match(
        self, runner: Runner, key: str, loop: BaseLoop, trained: Sequence[str] | None = None
    ) -> None:
        dataset = loop.dataloader.dataset
        names = get_classes(dataset) or []
        name, cure = _name_data(runner, key)
        own = (getattr(unwrap_model(runner.model), '_dataset_meta', None) or {}).get('classes')
        if key == 'test_dataloader':
            own = own or _find_names(runner, names)
        classes, owner = (trained, 'the training data') if trained else (own, 'the network')
        # Training gives the network the names of its data.
        if classes and not (key == 'train_dataloader' and same_classes(names, classes)):
            if key == 'test_dataloader' and not names:  # labels without names
                name_classes(dataset, classes)
            by_folder: dict[str, int] = getattr(dataset, 'folder_to_idx', None) or {}
            folders = sorted(by_folder, key=by_folder.__getitem__)
            if note := match_classes(dataset, classes, name, owner, folders, cure):
                runner.logger.warning(note)
            if get_classes(dataset) != names:
                runner.visualizer.dataset_meta = dataset.metainfo
                if hasattr(loop, 'evaluator'):
                    loop.evaluator.dataset_meta = dataset.metainfo
        check_classes(key, loop.dataloader, runner.cfg.model, name)


def _name_data(runner: Runner, key: str) -> tuple[str, str]:
    """Return the name of the data of a loader, and what to do if it has other classes."""
    cure = 'give both the same class names'
    if key == 'test_dataloader' and (folder := runner.cfg.get('data_folder')):
        return f'--data {folder}', cure
    return key, f'{cure}, or set {key}.dataset.metainfo.classes'


def _find_names(runner: Runner, names: Sequence[str]) -> Sequence[str] | None:
    """Return the class names of a network whose weights do not name them.

    They are those of the training data in the config, such as ImageNet. None if that has other
    classes than the head, or none of these names, as folders that are named by WordNet.
    """
    kind = get_inner_dataset(runner.cfg, 'train_dataloader').get('type')
    known = getattr(find_class(DATASETS, kind), 'METAINFO', {}).get('classes')
    number = get_num_classes(runner.cfg.model)
    if not known or len(known) != number:
        return None
    # Two of ImageNet's classes share a name, which is none of them.
    if same_classes(names, known):
        return known
    if len(names) == number and not are_among(names, known):
        runner.logger.warning(
            f'{_name_data(runner, "test_dataloader")[0]}: the names of its classes '
            f'({some(names)}) are not those of {getattr(kind, "__name__", kind)}; the classes are '
            'taken in the same order'
        )
        return None
    return known


class CheckpointCheckHook(Hook):
    """Check that a checkpoint matches the model; mmengine would continue with random weights.

    Weights in another format, such as torchvision's, are converted.

    Args:
        resume: Whether the run is resumed, which also needs the training state. Defaults to False.
        new_head: Whether the checkpoint may have other classes, as in fine-tuning. The head is then
            newly initialized, even if the number of classes is the same. Defaults to False.
        replaces_head: Whether the run is for other classes, so that a new head is in the log only.
            Defaults to False.
        options: What to take from the file. Defaults to the usual.
        template: As for :func:`wrn.checkpoints.assumptions.assume_network`. Defaults to None.
    """

    def __init__(
        self,
        resume: bool = False,
        new_head: bool = False,
        replaces_head: bool = False,
        options: ReadOptions = ReadOptions(),
        template: str | None = None,
    ) -> None:
        self.resume = resume
        self.new_head = new_head
        self.replaces_head = replaces_head
        self.options = options
        self.template = template

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Check a checkpoint, and use its weights and, unless resumed, its normalization.

        Args:
            runner: The runner, which has not loaded the weights yet.
            checkpoint: The content of the checkpoint, which is changed.

        Raises:
            CheckpointError: If it does not match the model, or cannot be resumed.
        """
        path = str(runner._load_from or runner.work_dir)
        if self.resume and 'epoch' not in (checkpoint.get('meta') or {}):
            raise CheckpointError(
                f'{path}: has weights but no training state, so it cannot be resumed; start from '
                'its weights with --cfg-options load_from=FILE'
            )
        weights = to_openmmlab(checkpoint, path, self.options)
        state_dict = weights.state_dict
        theirs = (weights.meta.get('dataset_meta') or {}).get('classes')
        ours = get_classes(runner.train_dataloader.dataset) if self.new_head else None
        if theirs and ours and not same_classes(theirs, ours):
            state_dict = {k: v for k, v in state_dict.items() if not k.startswith('head.')}
        checkpoint['state_dict'] = state_dict
        if check_state_dict(runner.model, state_dict, path, new_head=self.new_head):
            unwrap_model(runner.model)._dataset_meta = weights.meta.get('dataset_meta')
            if ours and not theirs:
                runner.logger.warning(f'{path}: does not name its classes; its head is kept')
        else:
            before, after = (
                f'{count(len(names), "class")} ({some(names)})' if names else 'unnamed classes'
                for names in (theirs, ours)
            )
            runner.logger.log(
                logging.INFO if self.replaces_head else logging.WARNING,
                f'{path}: the head is new: {after} instead of {before}',
            )
        if self.resume:
            if own := read_own_config(weights.meta):
                backbone = get_inner_model(runner.cfg.model).get('backbone') or {}
                check_same(own, backbone, path)
            return
        if find_entry(path) is None:
            assume_network(weights, runner.cfg, path, self.template)
            weights.warn(path)
        if normalization := weights.meta.get('normalization'):
            use_normalization(runner, normalization)
