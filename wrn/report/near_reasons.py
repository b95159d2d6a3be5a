"""Near-duplicates by what they do to the figures of a report."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from wrn.report.content import NearGroup
from wrn_base.errors import count

SPLIT_NAMES = {'train': 'training', 'val': 'validation', 'test': 'test'}
"""What people call the splits."""
# By the splits of the two images, in the order of the page: title, why it matters, and what it may
# do to the figures.
_LEAKS = {
    ('train', 'test'): (
        'In training and test',
        'A test image that was also trained on makes the accuracy too good.',
        'the accuracy may be too high',
    ),
    ('train', 'val'): (
        'In training and validation',
        'A validation image that was also trained on makes the validation too good, by which the '
        'epoch or the regularization was chosen.',
        'the validation may be too good',
    ),
    ('val', 'test'): (
        'In validation and test',
        'The epoch or the regularization was chosen by images that are also tested, which makes '
        'the accuracy a little too good.',
        'the accuracy may be a little too high',
    ),
}
_LABELS = (
    'In different classes of one split',
    'One of the two labels is probably wrong, or the classes cannot be told apart.',
)


@dataclass(frozen=True)
class NearSection:
    """Groups that matter for the same reason."""

    title: str
    reason: str
    groups: Sequence[NearGroup]


def rank_splits(splits: AbstractSet[str]) -> int:
    """Return how much it matters that images of these splits look alike: 0 for the most."""
    return next((i for i, pair in enumerate(_LEAKS) if {*pair} <= splits), len(_LEAKS))


def list_near_cautions(groups: Iterable[AbstractSet[str]]) -> list[str]:
    """Return what near-duplicates of several splits may do to the figures, in sentences.

    Args:
        groups: The splits of each group.
    """
    numbers, cautions = Counter(map(rank_splits, groups)), []
    for rank, (title, _, effect) in enumerate(_LEAKS.values()):
        if number := numbers[rank]:
            verb, where = 'is' if number == 1 else 'are', f'{title[0].lower()}{title[1:]}'
            cautions.append(
                f'{count(number, "group")} of near-duplicates {verb} {where}, so {effect}; see '
                'Near-duplicates'
            )
    return cautions


def sort_near(groups: Sequence[NearGroup]) -> Iterator[NearSection]:
    """Sort groups of near-duplicates by their splits, those of training and test first.

    Args:
        groups: The groups.

    Yields:
        The sections that are not empty.
    """
    texts = [*_LEAKS.values(), _LABELS]
    for rank, (title, reason, *_) in enumerate(texts):
        if found := [group for group in groups if rank_splits(group.splits) == rank]:
            yield NearSection(title, reason, found)
