"""Near-duplicates by what they do to the figures of a report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wrn.report.content import NearPair

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
class NearGroup:
    """Pairs that matter for the same reason."""

    title: str
    reason: str
    pairs: Sequence[NearPair]


def group_near(pairs: Sequence[NearPair]) -> Iterator[NearGroup]:
    """Group near-duplicates by their splits, those of training and test first.

    Args:
        pairs: The pairs.

    Yields:
        The groups that are not empty.
    """
    for splits, (title, reason) in _LEAKS.items():
        if found := [pair for pair in pairs if {*pair.splits} == {*splits}]:
            yield NearGroup(title, reason, found)
    if found := [pair for pair in pairs if len({*pair.splits}) == 1]:
        yield NearGroup(*_LABELS, found)
