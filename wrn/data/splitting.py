"""Find the classes of a data folder, and pictures to train, validate and test with."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wrn.data.class_folders import Split, count_left_out
from wrn.data.damage import find_damage
from wrn.data.images import LeftOut
from wrn.data.listing import list_splits
from wrn.utils.errors import WrnError, some
from wrn.utils.files import write_atomically

_VALIDATION = ('val', 'valid', 'validation')


@dataclass
class Splits:
    """The labelled pictures of a data folder.

    Attributes:
        folder: The data folder.
        classes: The names of the classes; labels are their places.
        pictures: Of ``'train'``, ``'val'`` and ``'test'`` the paths below the folder and their
            labels. What is tested is what is validated if there are no others.
        drawn: Whether the pictures to validate with were drawn from those to train with.
        left_out: The files that are in no split, counted by extension.
    """

    folder: Path
    classes: list[str]
    pictures: dict[str, list[tuple[str, int]]]
    drawn: bool
    left_out: LeftOut

    @property
    def tests_apart(self) -> bool:
        """Whether the pictures to test with are others than those to validate with."""
        return self.pictures['test'] is not self.pictures['val']

    def write(self, folder: str | Path) -> None:
        """Write annotation files: lines of a path and a label.

        Args:
            folder: Where to write ``train.txt``, ``val.txt`` and ``test.txt``.

        Raises:
            WrnError: If they cannot be written.
        """
        for name, pictures in self.pictures.items():
            with write_atomically(Path(folder, f'{name}.txt')) as file:
                file.write(_format(pictures))

    def written_in(self, folder: str | Path) -> bool:
        """Tell whether the annotation files in a folder, if there are any, are these."""
        files = {Path(folder, f'{name}.txt'): pics for name, pics in self.pictures.items()}
        return all(path.read_bytes() == _format(p) for path, p in files.items() if path.exists())

    def drop_unreadable(self) -> list[str]:
        """Leave out what cannot be read of the pictures to validate and test with.

        Returns:
            The paths of what was left out.

        Raises:
            WrnError: If nothing is left.
        """
        dropped: list[str] = []
        for name in ('val', 'test') if self.tests_apart else ('val',):
            pictures = self.pictures[name]
            with warnings.catch_warnings(), ThreadPoolExecutor() as threads:
                warnings.simplefilter('ignore')  # Pillow's, of what it overlooks
                readable = list(threads.map(self._is_readable, pictures))
            dropped += [p for (p, _), good in zip(pictures, readable, strict=True) if not good]
            pictures[:] = [p for p, good in zip(pictures, readable, strict=True) if good]
            if not pictures:
                raise WrnError(f'{self.folder}: has no pictures in {name} that can be read')
        return dropped

    def _is_readable(self, picture: tuple[str, int]) -> bool:
        path = self.folder / picture[0]
        try:
            with path.open('rb') as file:
                damage = find_damage(file, str(path))
        except OSError:
            return False
        return damage is None or damage.kind == 'misnamed'


def _format(pictures: list[tuple[str, int]]) -> bytes:
    # mmpretrain strips lines, and with them spaces before a name.
    lines = [f'{"./" * path[0].isspace()}{path} {label}\n' for path, label in pictures]
    return ''.join(lines).encode(errors='surrogateescape')


def find_splits(folder: str | Path, share: float = 0.2, seed: int = 0) -> Splits:
    """Find the classes and splits of a data folder.

    Args:
        folder: A folder of class folders, or one with ``train`` and perhaps ``val`` (or
            ``valid``, or ``validation``) and ``test``, which are such folders.
        share: The share of each class that is validated with if there is no folder for that, at
            least one picture of those that have two. Defaults to 0.2.
        seed: The seed by which they are drawn. Defaults to 0.

    Returns:
        The splits, in which pictures are sorted by path.

    Raises:
        WrnError: If there are no class folders or no pictures, or the splits have other classes.
    """
    found = {split.name: split for split in list_splits(Path(folder))}
    left_out = count_left_out(found.values())
    train = found.pop('train', None)
    if train is None:
        if found.keys() & {*_VALIDATION, 'test'}:
            raise WrnError(f'{folder}: has no folder train')
        (train,) = found.values()
        found = {}
    named = [name for name in _VALIDATION if name in found]
    if len(named) > 1:
        raise WrnError(f'{folder}: has both {" and ".join(named)}; leave one of them')
    everything = _label(train, train.classes or [], folder)
    classes = train.classes or []
    if len(classes) < 2:
        raise WrnError(
            f'{folder}: has {"one class folder" if classes else "no class folders"} to train with; '
            'it must have a folder of pictures for each of at least two classes, there or in train'
        )
    empty = {*classes} - {classes[label] for _, label in everything}
    if empty:
        raise WrnError(f'{folder}: has no pictures to train with of {some(empty)}')
    pictures = dict(train=everything)
    if named:
        pictures['val'] = _label(found[named[0]], classes, folder)
    else:
        pictures['train'], pictures['val'] = _draw(everything, share, seed)
    test = found.get('test')  # it may have no classes, as ImageNet's
    labelled = test and test.classes and test.files
    pictures['test'] = _label(test, classes, folder) if test and labelled else pictures['val']
    lines = [path for found in pictures.values() for path, _ in found if len(path.splitlines()) > 1]
    if lines:
        raise WrnError(f'{folder}: the name {lines[0]!r} has a line break; rename it')
    if not pictures['val']:
        raise WrnError(
            f'{folder}: has no pictures to validate with; a class needs two, or a folder val one'
        )
    return Splits(Path(folder), classes, pictures, drawn=not named, left_out=left_out)


def _label(split: Split, classes: list[str], folder: str | Path) -> list[tuple[str, int]]:
    """Give the pictures of a split the labels that their classes have in training."""
    own = split.classes
    if own is None:
        raise WrnError(
            f'{folder}: {split.name} has an annotation file, which names no classes; use a config '
            'with its ann_file'
        )
    labels = {name: label for label, name in enumerate(classes)}
    if unknown := {own[label] for label in split.labels if label is not None} - labels.keys():
        raise WrnError(
            f'{folder}: {split.name} has the classes {some(unknown)}, which are not trained with'
        )
    pairs = zip(split.files, split.labels, strict=True)
    return [(path, labels[own[label]]) for path, label in pairs if label is not None]


def _draw(
    pictures: list[tuple[str, int]], share: float, seed: int
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Part pictures in two, so that the second has its share of each class."""
    rng = np.random.default_rng(seed)
    labels = np.array([label for _, label in pictures])
    second: set[int] = set()
    for label in np.unique(labels):
        places = rng.permutation(np.flatnonzero(labels == label))
        number = max(round(share * len(places)), 1) if len(places) > 1 else 0
        second.update(places[:number].tolist())
    parts: tuple[list, list] = ([], [])
    for place, picture in enumerate(pictures):
        parts[place in second].append(picture)
    return parts
