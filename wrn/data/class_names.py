"""Compare the class names of data and networks, and map the labels of a dataset by name."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from wrn_base.errors import WrnError, count, some


def get_classes(dataset: Any) -> list[str] | None:
    """Return the class names of a dataset; None if it has none."""
    classes = getattr(dataset, 'metainfo', {}).get('classes')
    return None if classes is None else [str(name) for name in classes]


def same_classes(first: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether two lists name the same classes in the same order.

    Case and underscores make no difference, and neither do synonyms after a comma that only one of
    two names has: ``tench`` is ``tench, Tinca tinca``, but ``bolt, M4`` is not ``bolt, M6``. A name
    that could be several of the other list is none of them.
    """
    return [*first] == [*second] or find_positions(first, second) == [*range(len(second))]


def are_among(names: Sequence[str], among: Sequence[str]) -> bool:
    """Return whether each name is that of one of other classes, as in :func:`same_classes`."""
    return None not in find_positions(names, among)


def find_positions(names: Sequence[str], among: Sequence[str]) -> list[int | None]:
    """Find names among others, as in :func:`same_classes`.

    Args:
        names: The names to find.
        among: The other names.

    Returns:
        The position of each name; None for a name that is not there.
    """
    names, among = [*map(str, names)], [*map(str, among)]
    found: dict[str, int] = {}
    for key in (str, _fold, _cut_synonyms):
        ours, theirs = Counter(map(key, {*names})), defaultdict[str, list[int]](list)
        for position, other in enumerate(among):
            theirs[key(other)].append(position)
        for name in {*names} - found.keys():
            places = theirs[key(name)]
            if ours[key(name)] == len(places) == 1:
                both = ',' in name and ',' in among[places[0]]
                if key is not _cut_synonyms or not both:
                    found[name] = places[0]
    return [found.get(name) for name in names]


def find_case_twins(names: Iterable[str]) -> list[list[str]]:
    """Return names that differ only in case, or in how Unicode composes their letters.

    macOS and Windows take folders of such names for one folder.

    Args:
        names: The names of classes.

    Returns:
        The groups of two or more such names, in the order of the names.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(unicodedata.normalize('NFC', name).casefold(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _fold(name: str) -> str:
    return name.replace('_', ' ').casefold()


def _cut_synonyms(name: str) -> str:
    return _fold(name).partition(',')[0]


def match_classes(
    dataset: Any,
    classes: Sequence[str],
    name: str,
    owner: str,
    also: Sequence[str] = (),
    cure: str = 'give both the same class names',
) -> str | None:
    """Give the classes of a dataset the names and positions that they have among others.

    Args:
        dataset: The dataset, which may wrap others. It is changed in place.
        classes: The class names of the network, or of the training data.
        name: The name of the dataset, for messages.
        owner: What has ``classes``, for messages.
        also: Other names of the classes of the dataset, such as its folders. Defaults to none.
        cure: What to do if the dataset has other classes. Defaults to giving both the same names.

    Returns:
        A sentence about what was mapped; None if the names are the same, or unknown.

    Raises:
        WrnError: If the dataset has a class that is not among ``classes``.
    """
    own = get_classes(dataset)
    if own is None or own == [*classes]:
        return None
    if same_classes(own, classes):
        _rename(dataset, tuple(classes))
        others = [f'{a} is {b}' for a, b in zip(own, map(str, classes), strict=True) if a != b]
        if not others:
            return None
        number = count(len(others), 'class')
        return f'{name}: takes {number} as those that {owner} spells differently ({some(others)})'
    if also and same_classes(also, classes):
        return None
    found = find_positions(own, classes)
    labels = [label for label in found if label is not None]
    unknown = {own_name for own_name, label in zip(own, found, strict=True) if label is None}
    if unknown:
        raise WrnError(
            f'{name}: has {count(len(unknown), "class")} that {owner} does not have: '
            f'{some(unknown)}; that has {some(classes)}; {cure}'
        )
    _map_labels(dataset, labels, name)
    _rename(dataset, tuple(classes))
    missing = [own_name for label, own_name in enumerate(classes) if label not in labels]
    without = f' (no images of {some(missing)})' if missing else ' (their order differs)'
    verb = 'is' if len(own) == 1 else 'are'
    return (
        f'{name}: its {count(len(own), "class")} {verb} mapped by name to the {len(classes)} of '
        f'{owner}{without}'
    )


def name_classes(dataset: Any, classes: Sequence[str]) -> None:
    """Name the classes of a dataset, whose labels are positions among the names.

    Args:
        dataset: The dataset, which may wrap others. It is changed in place.
        classes: The names.
    """
    _rename(dataset, tuple(classes))


def _get_wrapped(dataset: Any) -> list[Any]:
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    return [] if inner[0] is None else inner


def _rename(dataset: Any, classes: tuple[str, ...]) -> None:
    if '_metainfo' in vars(dataset):
        dataset._metainfo['classes'] = classes
    for wrapped in _get_wrapped(dataset):
        _rename(wrapped, classes)


def _map_labels(dataset: Any, labels: list[int], name: str) -> None:
    if wrapped := _get_wrapped(dataset):
        for inner in wrapped:
            _map_labels(inner, labels, name)
        return
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', None)
    if not transforms:
        raise WrnError(f'{name}: has other classes, and no pipeline to map them in; rename them')
    transforms.insert(len(transforms) - 1, MapLabels(labels))  # the last packs the labels


class MapLabels(BaseTransform):
    """Replace labels.

    Args:
        labels: The new label for each old one.
    """

    def __init__(self, labels: Sequence[int]) -> None:
        self.labels = np.array(labels)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace the label of a sample, or its labels if it has several."""
        if 'gt_label' in results:
            labels = self.labels[np.asarray(results['gt_label'], dtype=int)]
            results['gt_label'] = labels.tolist()
        return results
