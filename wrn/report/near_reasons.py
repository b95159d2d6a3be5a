"""Near-duplicates by what they do to the figures of a report."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from wrn.report.content import NearGroup

SPLIT_NAMES = {'train': 'training', 'val': 'validation', 'test': 'test'}
"""What people call the splits."""
# By the splits of the two images, in the order of the page: title, and why it matters.
_LEAKS = {
    ('train', 'test'): (
        'In training and test',
        'A test image that was also trained on makes the accuracy too good.',
    ),
    ('train', 'val'): (
        'In training and validation',
        'A validation image that was also trained on makes the validation too good, by which the '
        'epoch or the regularization was chosen.',
    ),
    ('val', 'test'): (
        'In validation and test',
        'The epoch or the regularization was chosen by images that are also tested, which makes '
        'the accuracy a little too good.',
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


def sort_near(groups: Sequence[NearGroup]) -> Iterator[NearSection]:
    """Sort groups of near-duplicates by their splits, those of training and test first.

    Args:
        groups: The groups.

    Yields:
        The sections that are not empty.
    """
    texts = [*_LEAKS.values(), _LABELS]
    for rank, (title, reason) in enumerate(texts):
        if found := [group for group in groups if rank_splits(group.splits) == rank]:
            yield NearSection(title, reason, found)
