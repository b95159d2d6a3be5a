"""Find the classes of a data folder, and its images for training, validation and testing."""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import numpy as np

from wrn.data.check_folder import check_files
from wrn.data.class_folders import Split, count_left_out
from wrn.data.group_split import draw_groups
from wrn.data.image_groups import check_several_groups, find_groups
from wrn.data.images import LeftOut
from wrn.data.listing import check_is_folder, list_splits
from wrn.utils.csv_text import format_csv
from wrn.utils.files import write_atomically
from wrn_base.errors import WrnError, count, some

_VALIDATION_SHARE = 0.2  # of each class
_VALIDATION = ('val', 'valid', 'validation')
_Images: TypeAlias = list[tuple[str, int]]


@dataclass
class Splits:
    """The labeled images of a data folder.

    Attributes:
        folder: The data folder.
        classes: The names of the classes. A label is an index into them.
        images: The paths relative to the folder, and the labels, of ``'train'``, ``'val'`` and
            ``'test'``. Without a test split, ``'test'`` has the validation images.
        drawn: Whether the validation images were drawn from the training images.
        left_out: The numbers of files that are in no split.
        groups: The group of each path, which is in one split only. None without groups.
    """

    folder: Path
    classes: list[str]
    images: dict[str, _Images]
    drawn: bool
    left_out: LeftOut
    groups: dict[str, str] | None = None

    @property
    def tests_apart(self) -> bool:
        """Whether the test images differ from the validation images."""
        return self.images['test'] is not self.images['val']

    @property
    def only_trained(self) -> list[str]:
        """The classes that have no validation image: those of one image, or of one group."""
        if not self.drawn:
            return []
        validated = {label for _, label in self.images['val']}
        return [name for label, name in enumerate(self.classes) if label not in validated]

    def write(self, folder: str | Path) -> None:
        """Write annotation files, with a path and a label on each line, and the groups.

        Args:
            folder: The folder of ``train.txt``, ``val.txt`` and ``test.txt``, and ``groups.csv``,
                which ``--groups`` takes.

        Raises:
            WrnError: If a file cannot be written.
        """
        for name, content in self._get_files().items():
            with write_atomically(Path(folder, name)) as file:
                file.write(content)

    def find_different(self, folder: str | Path) -> list[Path]:
        """Return the files in a folder that :meth:`write` would replace by others.

        Args:
            folder: The folder.
        """
        files = {Path(folder, name): content for name, content in self._get_files().items()}
        return [
            path
            for path, content in files.items()
            # Reading a pipe may have no end.
            if path.exists() and not (path.is_file() and path.read_bytes() == content)
        ]

    def _get_files(self) -> dict[str, bytes]:
        files = {f'{name}.txt': _format(images) for name, images in self.images.items()}
        if self.groups:
            files['groups.csv'] = format_csv([('path', 'group'), *self.groups.items()])
        return files

    def drop_unreadable(self) -> list[str]:
        """Leave out the validation and test images that cannot be read.

        Returns:
            The paths of the images that were left out.

        Raises:
            WrnError: If no image of a split can be read.
        """
        dropped: list[str] = []
        for name in ('val', 'test') if self.tests_apart else ('val',):
            images = self.images[name]
            checks = check_files(str(self.folder / path) for path, _ in images)
            readable = [bool(digest) for digest, *_ in checks]
            dropped += [p for (p, _), good in zip(images, readable, strict=True) if not good]
            images[:] = [i for i, good in zip(images, readable, strict=True) if good]
            if not images:
                raise WrnError(
                    f'{self.folder}: no image of {name} can be read; replace them; '
                    '`wrn check-data` lists the reasons'
                )
        return dropped


def _format(images: _Images) -> bytes:
    # mmpretrain strips lines, which would remove spaces before a name.
    lines = [f'{"./" * path[0].isspace()}{path} {label}\n' for path, label in images]
    return ''.join(lines).encode(errors='surrogateescape')


def find_splits(folder: str | Path, seed: int = 0, groups: str | None = None) -> Splits:
    """Find the classes and splits of a data folder.

    Args:
        folder: A folder of class folders, or a folder with ``train`` and perhaps ``val`` (or
            ``valid``, or ``validation``) and ``test``, which have class folders.
        seed: The seed of the draw. Without a folder for validation, a fifth of each class is drawn,
            at least one of two or more images. Defaults to 0.
        groups: As for :func:`wrn.data.image_groups.find_groups`. Whole groups are then drawn, as
            :func:`wrn.data.group_split.draw_groups` does. Defaults to None: each image for itself.

    Returns:
        The splits. Their images are sorted by path.

    Raises:
        WrnError: If there are no class folders or no images, a split has other classes, an image
            has no group, or folders of splits share a group.
    """
    check_is_folder(Path(folder), 'or train with a config that has the list as its ann_file')
    found = {split.name.lower(): split for split in list_splits(Path(folder))}
    left_out = count_left_out(found.values())
    train = found.pop('train', None)
    if train is None:
        if any(Path(folder, split.name).is_dir() for split in found.values()):
            raise WrnError(f'{folder}: the folder train is missing; add it, with class folders')
        (train,) = found.values()
        found = {}
    named = [name for name in _VALIDATION if name in found]
    if len(named) > 1:
        raise WrnError(f'{folder}: has both {" and ".join(named)}; keep one of them')
    classes = train.classes or []
    images = _label(train, classes, folder)
    if len(classes) < 2:
        raise WrnError(
            f'{folder}: has {"one class folder" if classes else "no class folders"} to train with; '
            'it needs a folder of images for each of at least two classes, directly or in train'
        )
    empty = {*classes} - {classes[label] for _, label in images}
    if empty:
        raise WrnError(
            f'{folder}: has no training images of {some(empty)}; add images, or remove the empty '
            'folders'
        )
    splits = dict(train=images)
    if named:
        splits['val'] = _label(found[named[0]], classes, folder)
    test = found.get('test')  # it may have no classes, as in ImageNet
    if test and test.classes and test.files:
        splits['test'] = _label(test, classes, folder)
    by_path = None
    if groups is not None:
        paths = [path for images in splits.values() for path, _ in images]
        by_path = find_groups(groups, paths, folder)
        _check_apart(splits, by_path, folder)
        if not named:
            check_several_groups(groups, [by_path[path] for path, _ in images], folder)
    if not named:
        splits['train'], splits['val'] = _draw(images, seed, by_path)
    splits = {name: splits.get(name, splits['val']) for name in ('train', 'val', 'test')}
    lines = [path for images in splits.values() for path, _ in images if len(path.splitlines()) > 1]
    if lines:
        raise WrnError(f'{folder}: the name {lines[0]!r} has a line break; rename the file')
    if not splits['val']:
        by_groups = groups and not named
        what = f'--groups {groups}: leaves {folder}' if by_groups else f'{folder}: has'
        unit = 'groups' if by_groups else 'images'
        raise WrnError(f'{what} no validation images; give a class two {unit}, or add a folder val')
    return Splits(Path(folder), classes, splits, not named, left_out, by_path)


def _check_apart(splits: dict[str, _Images], groups: dict[str, str], folder: str | Path) -> None:
    """Check that no group has images in two of the folders that the user made."""
    for first, second in combinations(splits, 2):
        ours, theirs = ({groups[path] for path, _ in splits[name]} for name in (first, second))
        if shared := ours & theirs:
            raise WrnError(
                f'{folder}: {first} and {second} share {count(len(shared), "group")} '
                f'({some(shared)}), so {second} is no test on new ones; move the images of each '
                'group to one of them, or leave out --groups'
            )


def _label(split: Split, classes: list[str], folder: str | Path) -> _Images:
    """Return the images of a split, with the labels that their classes have in training."""
    own = split.classes
    if own is None:
        raise WrnError(
            f'{folder}: {split.name} has an annotation file, which does not name classes; use a '
            'config with this ann_file'
        )
    labels = {name: label for label, name in enumerate(classes)}
    if unknown := {own[label] for label in split.labels if label is not None} - labels.keys():
        raise WrnError(
            f'{folder}: {split.name} has {count(len(unknown), "class")} that train does not have: '
            f'{some(unknown)}; give both the same class folders'
        )
    pairs = zip(split.files, split.labels, strict=True)
    return [(path, labels[own[label]]) for path, label in pairs if label is not None]


def _draw(images: _Images, seed: int, groups: dict[str, str] | None) -> tuple[_Images, _Images]:
    """Split images into two parts, the second with about a fifth of each class."""
    labels = [label for _, label in images]
    if groups:
        keys = [groups[path] for path, _ in images]
        chosen = draw_groups(labels, keys, _VALIDATION_SHARE, seed)
    else:
        chosen = _draw_images(labels, seed)
    rest = [image for image, drawn in zip(images, chosen, strict=True) if not drawn]
    return rest, [image for image, drawn in zip(images, chosen, strict=True) if drawn]


def _draw_images(labels: list[int], seed: int) -> list[bool]:
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        indices = rng.permutation(np.flatnonzero(np.array(labels) == label))
        number = max(round(_VALIDATION_SHARE * len(indices)), 1) if len(indices) > 1 else 0
        chosen[indices[:number]] = True
    return chosen.tolist()
