"""Print the metrics of a test as tables."""

from collections.abc import Iterator

from wrn.training.evaluation import ACCURACY, BALANCED, Proportion, Report
from wrn_base.errors import count
from wrn_base.names import visible
from wrn_base.percent import format_percent
from wrn_base.progress_line import is_percent
from wrn_base.tables import print_table
from wrn_base.terminal import show

_MOST_CLASSES = 20
_ECE = 'calibration/ece'
_MEANS = 'single-label/'  # the prefix of the means over all classes of a single-label test


def print_report(report: Report) -> None:
    """Print the metrics of a test, and the classes with the lowest F1.

    Args:
        report: The report of the test.
    """
    decimals = report.accuracy.decimals if report.accuracy else 1
    empty = sum(not c.support for c in report.classes)
    print_table(_format_metrics(report, decimals, complete=not empty))
    if empty:
        what = '0 in the means over classes'
        if report.accuracy:
            what = f'not in the balanced accuracy, and {what}, so these are not shown'
        show('')
        show(f'{count(empty, "class")} without images: {what}')
    worst = report.worst(_MOST_CLASSES)
    if len(worst) < len(report.classes):
        show('')
        show(f'the {count(len(worst), "class")} of {len(report.classes)} with the lowest F1:')
    numbers = ('precision', 'recall', 'F1', 'images')
    shares = [
        [format_percent(n, decimals).removesuffix(' %') for n in (c.precision, c.recall, c.f1)]
        for c in worst
    ]
    rows = [(visible(c.name), *row, str(c.support)) for c, row in zip(worst, shares, strict=True)]
    print_table(rows, ('class', *numbers), right=numbers)


def _format_metrics(report: Report, decimals: int, complete: bool) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each metric, with the accuracy and its interval first.

    Where a class has no images, the balanced accuracy is printed alone: the mean recall, which
    counts such a class as 0, would seem to contradict it.
    """
    first: set[str] = set()
    if report.accuracy:
        yield 'accuracy', str(report.accuracy)
        yield 'balanced accuracy', format_percent(report.metrics[BALANCED], decimals)
        first = {ACCURACY, f'{ACCURACY}-low', f'{ACCURACY}-high', BALANCED, 'images'}
    for name, value in report.metrics.items():
        if name not in first and (complete or not name.startswith(_MEANS)):
            yield name, _format_metric(name, value, report.accuracy)


def _format_metric(name: str, value: float, accuracy: Proportion | None) -> str:
    """Return a metric with the digits that so many images can tell apart."""
    if name.startswith('calibration/') and accuracy:
        # Few images tell both less exactly than the accuracy.
        decimals = accuracy.interval_decimals
        return format_percent(value, decimals) if name == _ECE else f'{value:.{decimals + 2}f}'
    decimals = accuracy.decimals if accuracy else 1
    if name == _ECE or is_percent(name):
        return format_percent(value, decimals)
    return f'{value:.3g}'
