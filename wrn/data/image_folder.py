"""Datasets of class folders that list them by the rules of this package."""

from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from mmpretrain.datasets import CustomDataset, ImageNet
from mmpretrain.registry import DATASETS

from wrn.config.config_parts import find_class
from wrn.data.class_folders import list_folder
from wrn.data.images import EXTENSIONS
from wrn.utils.errors import WrnError, some


class ImageFolder(CustomDataset):
    """mmpretrain's ``CustomDataset``, with all formats and without what is hidden.

    Samples have the order that they have there. The number of files that are left out is logged.

    Args:
        extensions: The extensions of images. Defaults to :data:`wrn.data.images.EXTENSIONS`.
        **kwargs: The other arguments of :class:`mmpretrain.datasets.CustomDataset`.
    """

    def __init__(self, extensions: tuple[str, ...] = EXTENSIONS, **kwargs: Any) -> None:
        super().__init__(extensions=extensions, **kwargs)

    def _find_samples(self) -> list[Any]:
        folder, logger = self.img_prefix, MMLogger.get_current_instance()
        split = list_folder(Path(folder), labelled=self.with_label, extensions=self.extensions)
        for problem in split.problems:
            if problem.kind == 'unreadable':
                raise WrnError(f'{folder}/{problem.path}: {problem.reason}')
        if not split.files:
            raise WrnError(f'{folder}: has no images ({" ".join(sorted(self.extensions))})')
        if split.left_out:
            logger.info(f'{folder}: {split.left_out}')
        if split.classes is None:
            return sorted(split.files)
        if self.CLASSES is None:
            self._metainfo['classes'] = tuple(split.classes)
        elif len(self.CLASSES) != len(split.classes):
            raise WrnError(
                f'{folder}: has {len(split.classes)} class folders, but the dataset names '
                f'{len(self.CLASSES)} classes'
            )
        self.folder_to_idx = {name: label for label, name in enumerate(split.classes)}
        if empty := [problem.path for problem in split.problems if problem.kind == 'empty']:
            logger.warning(f'{folder}: has no images of {some(empty)}')
        samples = sorted(zip(split.labels, split.files, strict=True))
        return [(path, label) for label, path in samples]


class ImageNetFolder(ImageFolder, ImageNet):
    """mmpretrain's ``ImageNet``, as :class:`ImageFolder` is its ``CustomDataset``."""


_OURS = {CustomDataset: ImageFolder, ImageNet: ImageNetFolder}


def use_image_folders(dataset: ConfigDict) -> None:
    """Let a dataset of mmpretrain that lists local class folders be one of these.

    Args:
        dataset: The config of the dataset, which is changed, or of one that wraps others.
    """
    for inner in dataset.get('datasets') or ([dataset.dataset] if 'dataset' in dataset else []):
        use_image_folders(inner)
    remote = '://' in f'{dataset.get("data_root")} {dataset.get("data_prefix")}'
    ours = _OURS.get(find_class(DATASETS, dataset.get('type')))
    if ours and not remote:
        dataset.type = ours
