"""Datasets of class folders that list images by the rules of this package."""

import logging
import os
from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from mmpretrain.datasets import CustomDataset, ImageNet
from mmpretrain.registry import DATASETS

from wrn.config.config_parts import find_class, unwrap_datasets
from wrn.data.class_folders import list_folder
from wrn.data.images import EXTENSIONS
from wrn.data.listing import read_labels
from wrn.utils.files import read_lines
from wrn_base.errors import WrnError, count, some

_logger = logging.getLogger('wrn')


class ImageFolder(CustomDataset):
    """mmpretrain's ``CustomDataset`` with all image formats, and without hidden files.

    The order of samples is the same. The number of files that are left out is logged. A folder that
    several links lead to is read once.

    Args:
        extensions: The extensions of images. Defaults to :data:`wrn.data.images.EXTENSIONS`.
        **kwargs: The other arguments of :class:`mmpretrain.datasets.CustomDataset`.

    Raises:
        WrnError: If there are no images, or the number of class folders differs from the number of
            classes.
    """

    def __init__(self, extensions: tuple[str, ...] = EXTENSIONS, **kwargs: Any) -> None:
        super().__init__(extensions=extensions, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return the path and the label of each image."""
        if not self.ann_file or '://' in self.ann_file:
            return super().load_data_list()
        if not self.with_label:
            lines = filter(None, read_lines(self.ann_file))
            return [dict(img_path=os.path.join(self.img_prefix, line)) for line in lines]
        return [
            dict(img_path=os.path.join(self.img_prefix, path), gt_label=label)
            for path, label in read_labels(Path(self.ann_file))
        ]

    def _find_samples(self) -> list[Any]:
        folder, logger = self.img_prefix, MMLogger.get_current_instance()
        split = list_folder(Path(folder), labeled=self.with_label, extensions=self.extensions)
        if not split.files:
            known = ' '.join(sorted(self.extensions))
            raise WrnError(
                f'{folder}: has no images ({known}){" in class folders" * self.with_label}; check '
                'the folder, or data_root and data_prefix in the config'
            )
        if split.left_out:
            for log in (logger, _logger):  # the file of a run, and the screen
                log.info(f'{folder}: {split.left_out}')
        if split.classes is None:
            return sorted(split.files)
        if self.CLASSES is None:
            self._metainfo['classes'] = tuple(split.classes)
        labels = self._label_folders(split.classes)
        self.folder_to_idx = dict(zip(split.classes, labels, strict=True))
        if empty := [problem.path for problem in split.problems if problem.kind == 'empty']:
            logger.warning(f'{folder}: has no images of {some(empty)}')
        return [
            (path, labels[index])
            for index, path in sorted(zip(split.labels, split.files, strict=True))
            if index is not None
        ]

    def _label_folders(self, folders: list[str]) -> list[int]:
        """Return the label of each class folder.

        It is found by name if ``metainfo`` has the names of all folders, and by position if it has
        none of them, as in ImageNet.
        """
        names = list(self.CLASSES)
        if {*folders} <= {*names} and len({*names}) == len(names):
            return [names.index(folder) for folder in folders]
        if len(names) != len(folders):
            raise WrnError(
                f'{self.img_prefix}: has {count(len(folders), "class folder")}, but the dataset '
                f'has {count(len(names), "class")}; set metainfo.classes to the class folders'
            )
        if {*folders} & {*names}:
            raise WrnError(
                f'{self.img_prefix}: has class folders that metainfo.classes does not have: '
                f'{some({*folders} - {*names})}; that has {some(names)}; give all folders these '
                'names, or none to name them by position'
            )
        return list(range(len(folders)))


class ImageNetFolder(ImageFolder, ImageNet):
    """mmpretrain's ``ImageNet`` with the changes of :class:`ImageFolder`."""


_OURS = {CustomDataset: ImageFolder, ImageNet: ImageNetFolder}


def use_image_folders(dataset: ConfigDict) -> None:
    """Replace mmpretrain's datasets of local class folders by those of this module.

    Args:
        dataset: The config of a dataset, which may be wrapped in others. It is changed in place.
    """
    for _, inner in unwrap_datasets(dataset):
        remote = '://' in f'{inner.get("data_root")} {inner.get("data_prefix")}'
        ours = _OURS.get(find_class(DATASETS, inner.get('type')))
        if ours and not remote:
            inner.type = ours
