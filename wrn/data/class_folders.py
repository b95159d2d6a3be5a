"""List the images of class folders, and the files that are left out."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from wrn.data.class_names import find_case_twins
from wrn.data.images import EXTENSIONS, LeftOut, is_hidden, is_image, scan
from wrn.data.images.walk import LINKED, FollowedLinks

OUTSIDE = 'outside the class folders'
NO_IMAGE = 'other'
"""The kind of files that are left out and are no images, such as ``Thumbs.db``: no problem."""
SINGLE = 'single'
"""The kind of class folders with one image: no problem, but worth a note."""
_OTHER_IMAGES = (  # formats of images that are not read, so that leaving one out is a problem
    *('.arw', '.cr2', '.czi', '.dcm', '.dng', '.exr', '.heic', '.heif', '.ico', '.jxl', '.ndpi'),
    *('.nef', '.nii', '.nii.gz', '.psd', '.svg', '.svs', '.tga'),
)


class Problem(NamedTuple):
    """Something wrong with a file or folder of a dataset."""

    kind: str
    """A key of :data:`wrn.data.check_folder.KINDS`."""
    path: str
    """The file or folder, relative to the data folder."""
    reason: str
    """The text after the path in a message."""


@dataclass
class Split:
    """The images of a split, and the problems that their names alone show."""

    name: str
    """``'train'``, ``'val'`` or ``'test'``, or the name of a data folder without splits."""
    classes: list[str] | None = None
    """The class folders. None if the labels are from an annotation file or missing."""
    files: list[str] = field(default_factory=list)
    """The paths relative to the data folder, ``N`` of them."""
    labels: list[int | None] = field(default_factory=list)
    """The ``N`` labels. None for an image without one."""
    problems: list[Problem] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)
    """The files that are not in ``files``, counted by extension."""

    def leave_out(self, path: str, reason: str, key: str = '', kind: str = 'ignored') -> None:
        """Note a file that is left out, and count it under a key or, without one, its extension."""
        self.left_out.add(path, key)
        self.problems.append(Problem(kind, path, f'left out: {reason}'))

    def leave_out_file(self, path: str, reason: str) -> None:
        """Note a file that is left out because of its extension. Few of these may be images."""
        kind = 'ignored' if path.lower().endswith(_OTHER_IMAGES) else NO_IMAGE
        self.leave_out(path, reason, kind=kind)

    def leave_out_beside(self, path: str, extensions: tuple[str, ...] = EXTENSIONS) -> None:
        """Note a file that is left out because it is outside the class folders."""
        if is_hidden(path):
            self.left_out.add(path)
        else:
            if is_image(path, extensions):
                self.leave_out(path, f'it is {OUTSIDE}', OUTSIDE)
            else:
                self.leave_out_file(path, f'it is {OUTSIDE}')


def count_left_out(splits: Iterable[Split]) -> LeftOut:
    """Return the number of files that all splits together leave out."""
    left_out = LeftOut()
    for split in splits:
        left_out.update(split.left_out)
    return left_out


def list_folder(
    folder: Path,
    name: str = '',
    labeled: bool = True,
    extensions: tuple[str, ...] = EXTENSIONS,
) -> Split:
    """List the images of a folder.

    Args:
        folder: The data folder.
        name: The split, a folder in the data folder. Defaults to the data folder itself.
        labeled: Whether there is a folder for each class. Defaults to True. A ``test`` split
            without folders, as in ImageNet, never has labels.
        extensions: The extensions of images, in lower case. Defaults to
            :data:`wrn.data.images.EXTENSIONS`.

    Returns:
        The images and the problems of the folder.
    """
    split = Split(name or folder.resolve().name)
    links = FollowedLinks(folder / name)

    def add_images(path: str, label: int | None) -> None:
        open_folders = [(path, iter(_list_entries(folder / path, split.left_out)))]
        while open_folders:
            place, entries = open_folders[-1]
            entry = next(entries, None)
            if entry is None:
                open_folders.pop()
                continue
            below = os.path.join(place, entry.name)
            if not _is_folder(entry):
                add_file(below, label)
            elif links.enters(entry.path):
                inner = _list_entries(folder / below, split.left_out)
                open_folders.append((below, iter(inner)))
            else:
                split.leave_out(below, f'it is {LINKED}', LINKED)

    def add_file(path: str, label: int | None) -> None:
        if not os.path.isfile(folder / path):
            split.leave_out(path, 'it is a broken or endless link, or not a file', 'not a file')
        elif is_image(os.path.basename(path), extensions):
            split.files.append(path)
            split.labels.append(label)
        else:
            split.leave_out_file(path, f'its extension is not one of {" ".join(extensions)}')

    left_out = LeftOut()
    entries = _list_entries(folder / name, left_out)
    folders = [entry for entry in entries if _is_folder(entry)]
    classes = [entry.name for entry in folders if links.enters(entry.path)]
    if not labeled or (name.lower() == 'test' and not classes):
        links = FollowedLinks(folder / name)
        add_images(name, None)
        return split
    split.classes, split.left_out = classes, left_out
    for label, class_name in enumerate(classes):
        path = os.path.join(name, class_name)
        number = len(split.files)
        add_images(path, label)
        if len(split.files) == number:
            split.problems.append(Problem('empty', path, 'the class folder has no images'))
        if len(split.files) == number + 1 and name.lower() in ('', 'train'):
            reason = 'the class folder has 1 image to train with, too few to learn from'
            split.problems.append(Problem(SINGLE, path, reason))
    for first, *others in find_case_twins(classes):
        for other in others:
            reason = (
                f'differs only in case or Unicode form from {first!r}, and is one folder with it '
                'on macOS and Windows; merge them, or rename one'
            )
            split.problems.append(Problem('classes', os.path.join(name, other), reason))
    for entry in entries:
        path = os.path.join(name, entry.name)
        if os.path.isfile(entry.path) or is_image(path, extensions):
            split.leave_out_beside(path, extensions)
        elif not _is_folder(entry):
            split.leave_out(path, 'it is a broken or endless link, or not a file')
        elif entry.name not in classes:
            split.leave_out(path, f'it is {LINKED}', LINKED)
    return split


def list_classes(folder: Path) -> list[str]:
    """Return the names of the class folders in a folder, sorted."""
    links = FollowedLinks(folder)
    folders = filter(_is_folder, _list_entries(folder, LeftOut()))
    return [entry.name for entry in folders if links.enters(entry.path)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder or a link to one. A link to itself is neither."""
    return os.path.isdir(entry.path)


def _list_entries(folder: Path, left_out: LeftOut) -> list[os.DirEntry[str]]:
    return sorted(scan(folder, left_out), key=lambda entry: entry.name)
