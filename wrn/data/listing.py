"""List the splits of a data folder: the images, and the problems that names alone show."""

import logging
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from wrn.data.class_folders import OUTSIDE, Problem, Split, list_folder
from wrn.data.images import is_hidden
from wrn.data.images.find import report_unreadable
from wrn.utils.files import read_lines
from wrn_base.errors import WrnError

_ANNOTATION = re.compile(r'(.*\S)[ \t]+(\d+)', re.DOTALL)
_SPLITS = ('train', 'val', 'valid', 'validation', 'test')
_BESIDE_TRAIN = ('valid', 'validation')  # without train, these are classes
_logger = logging.getLogger('wrn')


def list_splits(folder: Path, ann_file: Path | None = None) -> list[Split]:
    """List the images of a data folder, as training with ``wrn`` does.

    Args:
        folder: A folder of class folders, or one with the folders ``train``, ``val`` (or
            ``valid``, or ``validation``) and ``test``, in any case. Each of these has class
            folders, or its images are listed in ``meta/train.txt`` or ``meta/val.txt``.
        ann_file: An annotation file: a line for each image, with its path relative to the folder
            and its label. Defaults to None.

    Returns:
        The splits, at least one.

    Raises:
        WrnError: If the folder or file cannot be read, or has no images.
    """
    if not ann_file:
        check_is_folder(folder, 'and a list of them as --ann-file FILE')
    with report_unreadable(ann_file or folder):
        if ann_file:
            splits = [_list_annotated(ann_file, ann_file.stem, '')]
        else:
            names = list_split_names(folder)
            splits = [_list_split(folder, name) for name in names or ['']]
            if names:
                _note_others(splits[0], folder, names)
            for name in names:
                if name != name.lower():
                    _logger.info('%s: %s is taken as the split %s', folder, name, name.lower())
    if not any(split.files or split.problems for split in splits):
        raise WrnError(
            f'{folder}: has no images; give a folder with a folder of images for each class, or '
            'with the folders train, val and test, which have class folders'
        )
    for split in splits:
        if not split.files and all(problem.kind != 'empty' for problem in split.problems):
            split.problems.append(Problem('empty', split.name, 'has no images'))
    _compare_classes(splits)
    return splits


def check_is_folder(folder: Path, cure: str) -> None:
    """Check that a data folder is not a file, such as a list of images or an archive.

    Args:
        folder: The folder.
        cure: What to do besides giving the folder of the images.

    Raises:
        WrnError: If it is a file.
    """
    if folder.is_file():
        raise WrnError(f'{folder}: is a file, not a folder; give the folder of the images, {cure}')


def list_split_names(folder: Path) -> list[str]:
    """Return the names of the folders in a data folder that are splits, not classes.

    Case makes no difference for ``Train`` beside another split, or if all folders are splits. Else
    ``Test`` may be a class beside ``Control``, and ``Train`` one beside ``Bus``.

    Args:
        folder: The data folder.

    Returns:
        The names as they are, in the order of training, validation and testing.

    Raises:
        WrnError: If the names of two splits differ in case only.
        OSError: If the folder cannot be read.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(os.listdir(folder)):
        if not is_hidden(name) and os.path.isdir(folder / name):
            found.setdefault(name.lower(), []).append(name)
    splits = found.keys() & _SPLITS
    any_case = splits == found.keys() or ('train' in splits and len(splits) > 1)
    by_split = {
        split: [name for name in found.get(split, ()) if any_case or name == split]
        for split in _SPLITS
    }
    if not by_split['train']:
        by_split = {split: by_split[split] for split in _SPLITS if split not in _BESIDE_TRAIN}
    for names in by_split.values():
        if len(names) > 1:
            raise WrnError(f'{folder}: has both {" and ".join(names)}; keep one of them')
    return [name for names in by_split.values() for name in names]


def _note_others(split: Split, folder: Path, names: list[str]) -> None:
    """Note the files and the folders of images beside the splits."""
    for other in sorted(folder.iterdir()):
        if other.is_file():
            split.leave_out_beside(other.name)
        elif other.is_dir() and other.name not in names:
            reason = 'hidden' if is_hidden(other.name) else OUTSIDE
            if split.left_out.add_images_below(other, reason) and reason == OUTSIDE:
                why = f'left out: its name is not one of {", ".join(_SPLITS)}'
                split.problems.append(Problem('ignored', other.name, why))


def _list_split(folder: Path, name: str) -> Split:
    split = name.lower()
    annotations = folder / 'meta' / f'{split}.txt'
    if split in ('train', 'val') and annotations.is_file():
        return _list_annotated(annotations, name, name)
    return list_folder(folder, name)


def read_annotations(ann_file: Path) -> Iterator[tuple[int, str, int | None]]:
    """Read an annotation file: a path, a space or tab, and a label per line.

    Args:
        ann_file: The file, in any encoding of :func:`wrn.utils.files.read_lines`. Empty lines are
            skipped.

    Yields:
        The number of the line, the path, and the label. The label is None if the line has none.
    """
    for number, line in enumerate(read_lines(ann_file), 1):
        if line:
            match = _ANNOTATION.fullmatch(line)
            yield (number, match[1], int(match[2])) if match else (number, line, None)


def read_labels(ann_file: Path, num_classes: int | None = None) -> list[tuple[str, int]]:
    """Read an annotation file, and check its labels.

    Args:
        ann_file: The file.
        num_classes: The number of classes. Defaults to None, unknown.

    Returns:
        The path and the label of each image.

    Raises:
        WrnError: If the file cannot be read or has no images, or a label is missing or too large.
    """
    images, first = [], None
    with report_unreadable(ann_file):
        for number, path, label in read_annotations(ann_file):
            if label is None or (num_classes is not None and label >= num_classes):
                first = first or number
            if label is None:
                break
            images.append((path, label))
    if first is not None:
        labels = {label for _, label in images}
        if num_classes and min(labels, default=0) == 1 and max(labels) == num_classes:
            raise WrnError(
                f'{ann_file}: its labels count from 1 to {num_classes}; subtract 1, so that they '
                f'count from 0 to {num_classes - 1}'
            )
        raise WrnError(
            f'{ann_file}: line {first} must be the path of an image, a space, and its label'
            + (f' from 0 to {num_classes - 1}' if num_classes else '')
        )
    if not images:
        raise WrnError(f'{ann_file}: the annotation file is empty; add a line for each image')
    return images


def find_offset(labels: Collection[int | None]) -> str | None:
    """Return what suggests that labels count from 1, because none is 0; None if one is."""
    if 0 in labels or all(label is None for label in labels):
        return None
    return (
        'no image has label 0, that of the first class; if the labels count from 1, subtract 1 '
        'from each'
    )


def _list_annotated(ann_file: Path, name: str, prefix: str) -> Split:
    split = Split(name)
    for number, path, label in read_annotations(ann_file):
        if label is None:
            reason = f'line {number} is not the path of an image, a space and a label'
            split.problems.append(Problem('annotation', str(ann_file), reason))
        else:
            split.files.append(os.path.join(prefix, path))
            split.labels.append(label)
    if offset := find_offset(split.labels):
        split.problems.append(Problem('labels', str(ann_file), offset))
    return split


def _compare_classes(splits: list[Split]) -> None:
    """Note class folders that only other splits have, since labels are positions among classes."""
    with_classes = [split for split in splits if split.classes is not None]
    for split in with_classes:
        for other in with_classes:
            for name in sorted({*(other.classes or ())} - {*(split.classes or ())}):
                path = os.path.join(split.name, name)
                if all(problem.path != path for problem in split.problems):
                    reason = f'this class folder is missing, but {other.name} has it'
                    split.problems.append(Problem('classes', path, reason))
