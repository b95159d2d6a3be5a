"""Compare the class names of data and networks, and map the labels of a dataset by name."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from wrn.utils.errors import WrnError, count, some


def get_classes(dataset: Any) -> list[str] | None:
    """Return the class names of a dataset; None if it has none."""
    classes = getattr(dataset, 'metainfo', {}).get('classes')
    return None if classes is None else [str(name) for name in classes]


def same_classes(first: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether two lists name the same classes in the same order.

    Case, underscores and synonyms after a comma make no difference, as long as the names of a list
    stay different: ``tench`` is ``tench, Tinca tinca``.
    """
    folded = [[*map(_fold, names)] for names in (first, second)]
    if any(len({*names}) < len(names) for names in folded):
        return [*first] == [*second]
    return folded[0] == folded[1]


def _fold(name: str) -> str:
    return str(name).partition(',')[0].replace('_', ' ').casefold()


def match_classes(
    dataset: Any, classes: Sequence[str], key: str, owner: str, also: Sequence[str] = ()
) -> str | None:
    """Give the labels of a dataset the positions that its classes have among others, by name.

    Args:
        dataset: The dataset, which may wrap others. It is changed in place.
        classes: The class names of the network, or of the training data.
        key: The config key of its data loader, for messages.
        owner: What has ``classes``, for messages.
        also: Other names of the classes of the dataset, such as its folders. Defaults to none.

    Returns:
        A sentence about what was mapped; None if the classes are the same, or unknown.

    Raises:
        WrnError: If the dataset has a class that is not among ``classes``.
    """
    own = get_classes(dataset)
    if own is None or same_classes(own, classes) or (also and same_classes(also, classes)):
        return None
    unknown = {*own} - {*classes}
    if unknown or len({*classes}) < len(classes):
        raise WrnError(
            f'{key}: has {count(len(unknown), "class")} that {owner} does not have: '
            f'{some(unknown)}; that has {some(classes)}; give both the same class names, '
            f'or set {key}.dataset.metainfo.classes'
        )
    labels = [list(classes).index(name) for name in own]
    _map_labels(dataset, labels, tuple(classes), key)
    missing = {*classes} - {*own}
    without = f' (no images of {some(missing)})' if missing else ' (their order differs)'
    return (
        f'{key}: its {count(len(own), "class")} are mapped by name to the {len(classes)} of '
        f'{owner}{without}'
    )


def _map_labels(dataset: Any, labels: list[int], classes: tuple[str, ...], key: str) -> None:
    if '_metainfo' in vars(dataset):
        dataset._metainfo['classes'] = classes
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if inner[0] is not None:
        for wrapped in inner:
            _map_labels(wrapped, labels, classes, key)
        return
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', None)
    if not transforms:
        raise WrnError(f'{key}: has other classes, and no pipeline to map them in; rename them')
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
