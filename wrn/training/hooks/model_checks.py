"""Check the data and the checkpoint of a run against its model."""

from collections.abc import Sequence
from typing import Any

from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from wrn.checkpoints import ReadOptions, check_state_dict, set_normalization, to_openmmlab
from wrn.checkpoints.checkpoint_file import find_entry
from wrn.checkpoints.network_config import assume_network, read_normalization
from wrn.training.checks import get_num_classes
from wrn.utils.errors import CheckpointError, WrnError, count


def get_classes(loader: DataLoader[Any]) -> Sequence[str] | None:
    """Return the class names of a data loader's dataset; None if it has none."""
    return getattr(loader.dataset, 'metainfo', {}).get('classes')


def check_classes(name: str, loader: DataLoader[Any], model: ConfigDict) -> None:
    """Check that a dataset has as many classes as the head of the model.

    Args:
        name: The config key of the data loader, such as ``'train_dataloader'``.
        loader: The data loader. A dataset without class names is not checked.
        model: The config of the model. A head without ``num_classes`` is not checked.

    Raises:
        WrnError: If the numbers differ.
    """
    classes, num_classes = get_classes(loader), get_num_classes(model)
    if classes is not None and num_classes not in (None, len(classes)):
        number = len(classes)
        raise WrnError(
            f'{name}: the dataset has {count(number, "class")}, but the head of the model has '
            f'{num_classes}; set model.head.num_classes={number} in the config'
        )


class ClassCheckHook(Hook):
    """Check that the dataset has as many classes as the head of the model."""

    def before_train(self, runner: Runner) -> None:
        """Check the training dataset."""
        check_classes('train_dataloader', runner.train_dataloader, runner.cfg.model)

    def before_test(self, runner: Runner) -> None:
        """Check the test dataset."""
        check_classes('test_dataloader', runner.test_dataloader, runner.cfg.model)


class CheckpointCheckHook(Hook):
    """Check that a checkpoint matches the model; mmengine would continue with random weights.

    Weights in another format, such as torchvision's, are converted.

    Args:
        resume: Whether the run is resumed, which also needs the training state. Defaults to False.
        new_head: Whether the checkpoint may have other classes, as in fine-tuning. The head is then
            newly initialized, even if the number of classes is the same. Defaults to False.
        options: What to take from the file. Defaults to the usual.
        template: As for :func:`wrn.checkpoints.network_config.assume_network`. Defaults to None.
    """

    def __init__(
        self,
        resume: bool = False,
        new_head: bool = False,
        options: ReadOptions = ReadOptions(),  # noqa: B008 - immutable
        template: str | None = None,
    ) -> None:
        self.resume = resume
        self.new_head = new_head
        self.options = options
        self.template = template

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Check a checkpoint, and replace its weights by those to load.

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
        if self.new_head and _has_other_classes(weights.meta, runner):
            state_dict = {k: v for k, v in state_dict.items() if not k.startswith('head.')}
        checkpoint['state_dict'] = state_dict
        if not check_state_dict(runner.model, state_dict, path, new_head=self.new_head):
            runner.logger.warning(f'{path}: the head does not match and is newly initialized')
        normalization = weights.meta.get('normalization')
        if self.resume:
            normalization = read_normalization(weights.meta)
        elif find_entry(path) is None:
            assume_network(weights, runner.cfg, path, self.template)
            weights.warn(path)
        if normalization:
            set_normalization(runner.model, **normalization)
            # The config is written into the checkpoints of the run.
            for owner in (runner.cfg, runner.cfg.model.get('module', runner.cfg.model)):
                if owner.get('data_preprocessor'):
                    owner.data_preprocessor.update(normalization)


def _has_other_classes(meta: dict[str, Any], runner: Runner) -> bool:
    """Return whether a checkpoint's class names differ from those of the training dataset."""
    theirs = (meta.get('dataset_meta') or {}).get('classes')
    ours = get_classes(runner.train_dataloader)
    return theirs is not None and ours is not None and [*theirs] != [*ours]
