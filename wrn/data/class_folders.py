"""List the images of class folders, and what is left out of them."""

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from wrn.data.images import EXTENSIONS, LeftOut, is_hidden, is_image

OUTSIDE = 'outside the class folders'
_ENDLESS = 'it is a link to itself or to a folder that it is in, so reading it would never end'


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
    left_out: LeftOut = field(default_factory=LeftOut)
    """The files that are none of ``files``, counted by extension."""


def count_left_out(splits: Iterable[Split]) -> LeftOut:
    """Return the numbers of files that splits leave out, all together."""
    left_out = LeftOut()
    for split in splits:
        left_out.update(split.left_out)
    return left_out


def list_folder(
    folder: Path,
    name: str = '',
    labelled: bool = True,
    extensions: tuple[str, ...] = EXTENSIONS,
) -> Split:
    """List the images of a folder.

    Args:
        folder: The data folder.
        name: The split, a folder in it. Defaults to the data folder itself.
        labelled: Whether there is a folder for each class. Defaults to True. A ``test`` split
            without folders, as in ImageNet, never has labels.
        extensions: The extensions of images, in lower case. Defaults to
            :data:`wrn.data.images.EXTENSIONS`.

    Returns:
        The images and what is wrong with the folder.
    """
    split = Split(name or folder.resolve().name)
    above = (os.path.realpath(folder / name),)
    left_out = LeftOut()
    entries = _scan(folder / name, left_out)
    classes = [entry.name for entry in entries if _ends(entry, above) and entry.is_dir()]
    if not labelled or (name == 'test' and not classes):
        _add_images(split, folder, name, None, extensions)
        return split
    split.classes, split.left_out = classes, left_out
    for label, class_name in enumerate(classes):
        path = os.path.join(name, class_name)
        number = len(split.files)
        _add_images(split, folder, path, label, extensions, above)
        if len(split.files) == number:
            split.problems.append(Problem('empty', path, 'the class folder has no pictures'))
    for entry in entries:
        path = os.path.join(name, entry.name)
        if not _ends(entry, above):
            split.problems.append(Problem('unreadable', path, _ENDLESS))
        elif not entry.is_dir():
            split.left_out.add(entry.name, OUTSIDE if is_image(entry.name, extensions) else '')
            split.problems.append(Problem('ignored', path, f'it is left out: it is {OUTSIDE}'))
    return split


def _add_images(
    split: Split,
    folder: Path,
    path: str,
    label: int | None,
    extensions: tuple[str, ...],
    above: tuple[str, ...] = (),
) -> None:
    """Add the images below a folder."""
    above = (*above, os.path.realpath(folder / path))
    for entry in _scan(folder / path, split.left_out):
        below = os.path.join(path, entry.name)
        if not _ends(entry, above):
            split.problems.append(Problem('unreadable', below, _ENDLESS))
        elif entry.is_dir():
            _add_images(split, folder, below, label, extensions, above)
        elif not entry.is_file():
            split.left_out.add(entry.name, 'not a file')
            reason = 'it is left out: it is a broken link, or not a file'
            split.problems.append(Problem('ignored', below, reason))
        elif is_image(entry.name, extensions):
            split.files.append(below)
            split.labels.append(label)
        else:
            split.left_out.add(entry.name)
            reason = f'it is left out: its extension is none of {" ".join(extensions)}'
            split.problems.append(Problem('ignored', below, reason))


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


def _scan(folder: Path, left_out: LeftOut) -> list[os.DirEntry[str]]:
    """List what is in a folder, sorted by name; count the hidden images."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_hidden(entry.name):
                found.append(entry)
            elif os.path.isdir(entry):
                left_out.add_images_below(entry.path, 'hidden')
            else:
                left_out.add(entry.name)
    return sorted(found, key=lambda entry: entry.name)
