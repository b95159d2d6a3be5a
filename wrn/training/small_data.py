"""What to know of the images before training on them: their number in each class and split."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from wrn.data.class_names import find_case_twins
from wrn.data.splitting import Splits
from wrn.training.evaluation import Proportion
from wrn_base.errors import count, some
from wrn_base.names import visible

_FEW_OF_CLASS, _FEW_TO_VALIDATE, _UNEVEN = 10, 30, 5
_MOST_LISTED = 20  # classes
_TYPICAL = 0.8  # the accuracy for which the interval is given as an example


def count_classes(splits: Splits) -> list[int]:
    """Return the number of training images of each class."""
    numbers = Counter(label for _, label in splits.images['train'])
    return [numbers[label] for label in range(len(splits.classes))]


def describe_classes(splits: Splits) -> str:
    """Return in a line the number of training images of each class, the largest first."""
    numbers = count_classes(splits)
    names = map(visible, splits.classes)
    named = sorted(zip(numbers, names, strict=True), key=lambda pair: (-pair[0], pair[1]))
    if len(named) <= _MOST_LISTED:
        listed = ', '.join(f'{name} {number}' for number, name in named)
        return f'training images per class: {listed}'
    (most, largest), (least, smallest) = named[0], named[-1]
    return (
        f'training images per class: {most} ({largest}) to {least} ({smallest}), median '
        f'{median(numbers):g}'
    )


def describe_few(name: str, number: int, uses: Sequence[str]) -> str | None:
    """Return what is wrong with a split of few images, with an example of an interval.

    Args:
        name: The name of the split.
        number: The number of its images.
        uses: What it is used for.

    Returns:
        The sentence. None if there are at least 30 images.
    """
    if number >= _FEW_TO_VALIDATE:
        return None
    low, high = Proportion(round(_TYPICAL * number), number).interval
    return (
        f'{name} has {count(number, "image")}, too few to {" or ".join(uses)}: '
        f'{100 * _TYPICAL:.0f} % means {low:.0f} to {high:.0f} % (95 % interval); add images'
    )


def list_warnings(
    splits: Splits,
    validated: bool = True,
    balanced: bool = False,
    selects: str = 'the best epoch',
) -> list[str]:
    """Return what is too little or too uneven, what that does, and what helps.

    Args:
        splits: The images.
        validated: Whether the run has a validation. Defaults to True.
        balanced: Whether the loss has class weights. Defaults to False.
        selects: What is chosen by the validation. Defaults to the best epoch.

    Returns:
        A sentence for each of: a class with fewer than 10 training images, validation or test with
        fewer than 30 images, a largest class five times the smallest, a class that is not
        validated, groups of one image each, and classes whose names differ only in case.
    """
    numbers = count_classes(splits)
    warnings = []
    if twins := find_case_twins(splits.classes):
        alike = some(' and '.join(map(repr, group)) for group in twins)
        warnings.append(
            f'{alike}: class folders that differ only in case or Unicode form, and are one folder '
            'on macOS and Windows; merge them, or rename one'
        )
    names = [*map(visible, splits.classes)]
    few = [f'{c}: {n}' for c, n in zip(names, numbers, strict=True) if n < _FEW_OF_CLASS]
    if few:
        verb = 'has' if len(few) == 1 else 'have'
        warnings.append(
            f'{count(len(few), "class")} {verb} fewer than {_FEW_OF_CLASS} training images '
            f'({some(few)}), from which little can be learned; add images'
        )
    for name in ('val', 'test'):
        number, apart = len(splits.images[name]), splits.tests_apart
        used = validated if name == 'val' else apart or not validated
        uses = [f'choose {selects}'] if name == 'val' else []
        uses += ['measure accuracy'] if name == 'test' or not apart else []
        if used and (warning := describe_few(name, number, uses)):
            warnings.append(warning)
    most, least = max(numbers), min(numbers)
    if most >= _UNEVEN * least:
        large, small = (names[numbers.index(number)] for number in (most, least))
        cure = '' if balanced else ', and --balance, which weights the classes alike'
        warnings.append(
            f'{large} has {most / least:.0f} times the training images of {small}, so accuracy '
            f'hides mistakes in small classes; see the balanced accuracy{cure}'
        )
    if splits.only_trained:
        unit = 'group' if splits.groups else 'image'
        warnings.append(f'{some(splits.only_trained)}: only 1 {unit}, which is for training')
    if splits.groups and len({*splits.groups.values()}) == len(splits.groups):
        warnings.append('--groups: each image is a group of its own, so the groups change nothing')
    return warnings
