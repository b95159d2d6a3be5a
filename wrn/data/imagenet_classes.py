"""The class folders of ImageNet, as mmpretrain reads them."""

import re
from pathlib import Path

from wrn.data.images import is_hidden
from wrn_base.errors import WrnError, some

CLASS = re.compile(r'n\d{8}')
"""The names of classes: those of WordNet's synsets."""
_CLASSES = 1000


def check_class_folders(folder: str | Path, split: str) -> None:
    """Check that a split has the class folders of ImageNet, whose order gives the labels.

    Args:
        folder: The folder that :func:`wrn.data.imagenet.prepare_imagenet` has made, or one like it.
        split: The folder of images in it, such as ``val``.

    Raises:
        WrnError: If it has others. With the labels in ``meta/SPLIT.txt``, it may have any.
    """
    images = Path(folder, split)
    if not images.is_dir():
        raise WrnError(
            f'{folder}: has no folder {split} with images of ImageNet; make it with '
            '`wrn prepare-imagenet`, or give the folder that contains it with --data'
        )
    if Path(folder, 'meta', f'{split}.txt').is_file():
        return
    names = [path.name for path in images.iterdir() if path.is_dir() and not is_hidden(path.name)]
    if others := [name for name in names if not CLASS.fullmatch(name)]:
        raise WrnError(
            f'{images}: has folders that are no classes of ImageNet ({some(others)}), whose order '
            'would give other labels; name them as in ImageNet, such as n01440764'
        )
    if len(names) != _CLASSES:
        raise WrnError(
            f'{images}: has {len(names):,} of the {_CLASSES:,} class folders of ImageNet, whose '
            'order gives the labels; make it with `wrn prepare-imagenet`'
        )
