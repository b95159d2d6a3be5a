"""Report images that are in a dataset twice: in a class, in two classes, or in two splits."""

from collections.abc import Sequence

import numpy as np

from wrn.data.class_folders import Problem, Split
from wrn.data.near_duplicates import compare_hashes
from wrn_base.errors import count


class _Files:
    """The files of all splits, by their positions."""

    def __init__(self, splits: Sequence[Split]) -> None:
        self.splits = splits
        self._ends = np.cumsum([len(split.files) for split in splits])

    def look_up(self, i: int) -> tuple[Split, str, int | None]:
        place = int(np.searchsorted(self._ends, i, side='right'))
        split, i = self.splits[place], i - int(self._ends[place])
        return split, split.files[i], split.labels[i]

    def compare(self, i: int, j: int) -> list[str]:
        """Return why it matters that two files are alike: kinds of problems."""
        (split, _, label), (other, _, other_label) = self.look_up(i), self.look_up(j)
        kinds = ['leak'] if split is not other else []
        if label is not None and other_label is not None:
            if split.classes and other.classes:  # the same class may have different labels
                conflict = split.classes[label] != other.classes[other_label]
            else:
                conflict = label != other_label
            kinds += ['conflict'] if conflict else []
        return kinds or ['duplicate']


def find_duplicates(splits: Sequence[Split], digests: np.ndarray) -> list[Problem]:
    """Compare each file with the first one of the same content.

    Args:
        splits: The splits, with ``N`` files together.
        digests: A hash of the bytes of each file, of shape ``(N,)``. Empty if it cannot be used.

    Returns:
        The problems ``duplicate``, ``conflict`` and ``leak``.
    """
    files = _Files(splits)
    problems = []
    for i, j in _find_repeats(digests):
        file, first = files.look_up(i)[1], files.look_up(j)[1]
        reason = f'same content as {first}' if file != first else 'listed before'
        problems += [Problem(kind, file, reason) for kind in files.compare(i, j)]
    return problems


def _find_repeats(digests: np.ndarray) -> list[tuple[int, int]]:
    """Return the positions of files whose content is that of an earlier one, and its position."""
    order = np.argsort(digests, kind='stable')
    ordered = digests[order]
    repeats = np.flatnonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] != b'')) + 1
    firsts = np.searchsorted(ordered, ordered[repeats])
    return sorted(zip(order[repeats].tolist(), order[firsts].tolist(), strict=True))


def find_alike(
    splits: Sequence[Split], digests: np.ndarray, hashes: Sequence[int | None]
) -> tuple[list[Problem], str]:
    """Compare the files by perceptual hashes. Pairs of the same content are no problem here.

    Args:
        splits: As for :func:`find_duplicates`.
        digests: As for :func:`find_duplicates`.
        hashes: The perceptual hash of each file. None if it has none.

    Returns:
        The problems ``near-duplicate``, ``near-conflict`` and ``near-leak``; and a sentence that
        says what was compared.
    """
    files = _Files(splits)
    contents = digests.tolist()
    used = [i for i, content in enumerate(contents) if content]
    rows = [files.look_up(i) for i in used]
    # Labels are compared by the names of classes, where all splits that have labels have them.
    named = all(split.classes for split, _, label in rows if label is not None)
    classes = [
        split.classes[label] if named and split.classes and label is not None else label
        for split, _, label in rows
    ]
    found = compare_hashes(
        [hashes[i] for i in used],
        [split.name for split, *_ in rows],
        classes,
        [contents[i] for i in used],
    )
    others = {i: len(group) - 2 for group in found.groups for i in group}
    problems = []
    for image, earlier, distance in found.matches:
        if contents[used[image]] == contents[used[earlier]]:
            continue
        reason = f'looks like {rows[earlier][1]} ({distance} of 64 bits differ)'
        if more := others[image]:
            reason += f'; {count(more, "other image")} in this group of images that look alike'
        kinds = files.compare(used[image], used[earlier])
        problems += [Problem(f'near-{kind}', rows[image][1], reason) for kind in kinds]
    return problems, found.describe()
