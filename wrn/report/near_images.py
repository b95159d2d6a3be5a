"""Find images of a test that look like ones of other splits or classes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from wrn.data.images import ImageLike, read_image
from wrn.data.near_duplicates import NearDuplicates, find_near_duplicates
from wrn.data.splitting import Splits
from wrn.report.content import NearGroup, NearImage, OtherImage
from wrn.report.near_reasons import list_near_cautions, rank_splits
from wrn.report.thumbnails import encode, resize
from wrn_base.errors import ImageReadError, count
from wrn_base.terminal import short_path

_MOST = 50  # groups to list
_IMAGES = 8  # of a group
_SIDE = 64  # pixels


class FoundNear(NamedTuple):
    """Images of a test that look like ones of other splits or classes.

    Attributes:
        groups: At most 50 groups of images that look alike, those that make the accuracy too good
            first.
        note: How they were found.
        cautions: What all groups may do to the figures, in sentences.
    """

    groups: Sequence[NearGroup]
    note: str
    cautions: Sequence[str]


def list_others(splits: Splits) -> list[OtherImage]:
    """Return the images of training and, if others are tested, of validation.

    Args:
        splits: The images of a fine-tuning run.
    """
    names = ('train', 'val') if splits.tests_apart else ('train',)
    return [
        OtherImage(name, str(splits.folder / path), label)
        for name in names
        for path, label in splits.images[name]
    ]


class _Images(Sequence[ImageLike]):
    """The images of other splits, and then those of a test, which may be arrays."""

    def __init__(self, others: Sequence[OtherImage], dataset: Any) -> None:
        self._others, self._dataset = others, dataset

    def __len__(self) -> int:
        return len(self._others) + len(self._dataset)

    def __getitem__(self, i: Any) -> Any:
        if i < len(self._others):
            return self._others[i].path
        info = self._dataset.get_data_info(i - len(self._others))
        return info.get('img_path') or info['img']

    def name(self, i: int) -> str:
        """Return the path of an image, or its number in a dataset without files."""
        image = self[i]
        return short_path(image) if isinstance(image, str) else f'image {i - len(self._others)}'


def find_near_groups(
    dataset: Any,
    labels: Sequence[int],
    others: Sequence[OtherImage],
    report: Callable[[int, int], None],
) -> FoundNear:
    """Find images of a test that look like ones of other splits or classes.

    Args:
        dataset: The dataset of the test.
        labels: The class of each of its images.
        others: Images of other splits.
        report: Receives the number of images that are compared, and of all.

    Returns:
        The groups, how they were found, and what they may do to the figures.
    """
    images = _Images(others, dataset)
    splits = [*(image.split for image in others), *['test'] * len(labels)]
    classes = [*(image.label for image in others), *labels]

    def track(steps: Iterable[int], total: int) -> Iterator[int]:
        for done, step in enumerate(steps, 1):
            report(done, total)
            yield step

    found = find_near_duplicates(images, splits, classes, track=track)
    groups = [
        members for members in found.groups if len({(splits[i], classes[i]) for i in members}) > 1
    ]
    groups.sort(key=lambda members: rank_splits({splits[i] for i in members}))

    def make_group(members: Sequence[int]) -> NearGroup:
        # The first of each split, then the first of each class in it.
        firsts = [*{splits[i]: i for i in reversed(members)}.values()]
        firsts += {(splits[i], classes[i]): i for i in reversed(members)}.values()
        shown = sorted([*dict.fromkeys([*firsts, *members])][:_IMAGES])  # training comes first
        listed = [NearImage(images.name(i), splits[i], classes[i], _draw(images[i])) for i in shown]
        return NearGroup(listed, len(members) - len(listed))

    note = _describe(found, len(groups), bool(others))
    cautions = list_near_cautions({splits[i] for i in members} for members in groups)
    return FoundNear([make_group(members) for members in groups[:_MOST]], note, cautions)


def _draw(image: ImageLike) -> bytes | None:
    try:
        # Arrays of datasets are RGB.
        pixels = read_image(image, channel_order='RGB')[..., ::-1]
    except ImageReadError:  # it is gone by now
        return None
    return encode(resize(pixels, _SIDE))


def _describe(found: NearDuplicates, number: int, has_others: bool) -> str:
    where = 'splits or classes' if has_others else 'classes'
    shown = f', of which {_MOST} are shown' if number > _MOST else ''
    text = f'{count(number, "group")} of images of different {where}{shown}. ' if number else ''
    text += found.describe()
    if not has_others:
        text += '. The training images were not compared; `wrn check-data --near` compares splits'
    return f'{text}.'
