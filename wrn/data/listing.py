"""List the pictures of a data folder as mmpretrain's data sets list them, and what they leave."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mmpretrain.datasets import ImageNet

from wrn.utils.errors import WrnError

_SPLITS = ('train', 'val', 'valid', 'validation', 'test')
_BESIDE_TRAIN = ('valid', 'validation')  # else they are classes
_LEFT_OUT = 'mmpretrain leaves it out'
_ENDLESS = 'it is a link to itself or to a folder that it is in: mmpretrain finds no end to it'
_OTHER_EXTENSION = f'{_LEFT_OUT}, as its extension is none of {" ".join(ImageNet.IMG_EXTENSIONS)}'


class Problem(NamedTuple):
    """Something wrong with a file or folder of a data set."""

    kind: str
    """A key of :data:`wrn.data.check_folder.KINDS`."""
    path: str
    """The file or folder, below the data folder."""
    reason: str
    """What to say after it."""


@dataclass
class Split:
    """The pictures of a split, and what is wrong with it by names alone."""

    name: str
    """``'train'``, ``'val'`` or ``'test'``; the data folder's own name if it has no splits."""
    classes: list[str] | None = None
    """The class folders; None if the labels are those of an annotation file, or there are none."""
    files: list[str] = field(default_factory=list)
    """The paths below the data folder, ``N`` of them."""
    labels: list[int | None] = field(default_factory=list)
    """The ``N`` class labels; None where there is none."""
    problems: list[Problem] = field(default_factory=list)


def list_splits(folder: Path, ann_file: Path | None = None) -> list[Split]:
    """List what a data folder has for mmpretrain's ``ImageNet`` and ``CustomDataset``.

    Args:
        folder: A folder of class folders, or one of ``train``, ``val`` (or ``valid``, or
            ``validation``) and ``test`` that are such folders each, or whose pictures
            ``meta/train.txt`` and ``meta/val.txt`` list.
        ann_file: An annotation file: of each picture a line with its path below the folder and
            its label. Defaults to None.

    Returns:
        The splits that there are, at least one.

    Raises:
        WrnError: If the folder or file cannot be read, or there are no pictures in it.
    """
    try:
        if ann_file:
            splits = [_list_annotated(folder, ann_file, ann_file.stem, '')]
        else:
            names = [name for name in _SPLITS if (folder / name).is_dir()]
            if 'train' not in names:
                names = [name for name in names if name not in _BESIDE_TRAIN]
            splits = [_list_split(folder, name) for name in names or ['']]
            splits[0].problems += _list_others(folder, names)
    except (OSError, UnicodeError) as error:
        name = getattr(error, 'filename', None) or ann_file or folder
        raise WrnError(f'{name}: cannot be read ({getattr(error, "strerror", error)})') from error
    if not any(split.files or split.problems for split in splits):
        raise WrnError(
            f'{folder}: has no pictures; it must have a folder of them for each class, or train, '
            'val and test with such folders'
        )
    _compare_classes(splits)
    return splits


def _list_others(folder: Path, names: list[str]) -> Iterator[Problem]:
    """Note the folders of pictures that are beside splits and are none."""
    for other in sorted(folder.iterdir()) if names else ():
        hidden = other.name.startswith('.')
        if other.is_dir() and other.name not in names and not hidden and _has_images(other):
            reason = f'{_LEFT_OUT}, as its name is none of {", ".join(_SPLITS)}'
            yield Problem('ignored', other.name, reason)


def _has_images(folder: Path) -> bool:
    files = (name for _, _, names in os.walk(folder) for name in names)
    return any(name.lower().endswith(ImageNet.IMG_EXTENSIONS) for name in files)


def _list_split(folder: Path, name: str) -> Split:
    annotations = folder / 'meta' / f'{name}.txt'
    if name in ('train', 'val') and annotations.is_file():
        return _list_annotated(folder, annotations, name, name)
    above = (os.path.realpath(folder / name),)
    entries = _scan(folder / name)
    classes = [entry.name for entry in entries if _ends(entry, above) and entry.is_dir()]
    split = Split(name or folder.resolve().name, classes)
    if name == 'test' and not classes:  # as ImageNet's, which has no labels
        split.classes = None
        _add_images(split, folder, name, None)
        return split
    for label, class_name in enumerate(classes):
        path = os.path.join(name, class_name)
        number = len(split.files)
        _add_images(split, folder, path, label, above)
        if len(split.files) == number:
            split.problems.append(Problem('empty', path, 'the class folder has no pictures'))
    for entry in entries:
        path = os.path.join(name, entry.name)
        if not _ends(entry, above):
            split.problems.append(Problem('unreadable', path, _ENDLESS))
        elif not entry.is_dir():
            split.problems.append(Problem('ignored', path, f'{_LEFT_OUT}, as in no class folder'))
    return split


def _add_images(
    split: Split, folder: Path, path: str, label: int | None, above: tuple[str, ...] = ()
) -> None:
    """Add those below a folder, by the rules of mmpretrain's ``get_samples``."""
    above = (*above, os.path.realpath(folder / path))
    for entry in _scan(folder / path):
        below = os.path.join(path, entry.name)
        if not _ends(entry, above):
            split.problems.append(Problem('unreadable', below, _ENDLESS))
        elif entry.is_dir():
            _add_images(split, folder, below, label, above)
        elif not entry.is_file():
            reason = f'{_LEFT_OUT}: it is a link to what is not there, or no file'
            split.problems.append(Problem('ignored', below, reason))
        elif entry.name.lower().endswith(ImageNet.IMG_EXTENSIONS):
            split.files.append(below)
            split.labels.append(label)
        else:
            split.problems.append(Problem('ignored', below, _OTHER_EXTENSION))


def _ends(entry: os.DirEntry[str], above: tuple[str, ...]) -> bool:
    """Tell whether what is below an entry has an end.

    Args:
        entry: An entry of a folder.
        above: The real paths of the folders that were walked through to it.

    Returns:
        False for a link to itself, or to one of the folders, or to what one of them is in.
    """
    try:
        if not (entry.is_symlink() and entry.is_dir()):
            return True
    except OSError as error:
        return error.errno != errno.ELOOP
    target = os.path.realpath(entry)
    return all(os.path.commonpath([target, path]) != target for path in above)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:  # hidden folders, but not files, count for mmpretrain
        found = [e for e in entries if not e.name.startswith('.') or os.path.isdir(e)]
    return sorted(found, key=lambda entry: entry.name)


def read_annotations(ann_file: Path) -> Iterator[tuple[int, str, int | None]]:
    """Read an annotation file as mmpretrain's data sets do: lines of a path, a space, a label.

    Args:
        ann_file: The file.

    Yields:
        The number of the line, the path and the label; for a line without a label, None.
    """
    with ann_file.open(encoding='utf-8') as lines:
        for number, line in enumerate(lines, 1):
            path, _, label = line.strip().rpartition(' ')
            yield number, path, int(label) if path and label.isdecimal() else None


def _list_annotated(folder: Path, ann_file: Path, name: str, prefix: str) -> Split:
    split = Split(name)
    for number, path, label in read_annotations(ann_file):
        if label is None:
            reason = f'line {number} is not the path of a picture, a space, and its label'
            split.problems.append(Problem('annotation', str(ann_file), reason))
        else:
            split.files.append(os.path.join(prefix, path))
            split.labels.append(label)
    return split


def _compare_classes(splits: list[Split]) -> None:
    """Note the class folders that a split lacks, since labels are places in the sorted list."""
    with_classes = [split for split in splits if split.classes is not None]
    for split in with_classes:
        for other in with_classes:
            for name in sorted({*(other.classes or ())} - {*(split.classes or ())}):
                path = os.path.join(split.name, name)
                if all(problem.path != path for problem in split.problems):
                    reason = f'there is no such class folder, but {other.name} has one'
                    split.problems.append(Problem('classes', path, reason))
