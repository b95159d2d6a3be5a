"""Print the metrics of a test as tables."""

from collections.abc import Iterator

from wrn.training.evaluation import ACCURACY, BALANCED, Report
from wrn_base.errors import count
from wrn_base.tables import print_table
from wrn_base.terminal import show

_MOST_CLASSES = 20
_PERCENT = ('accuracy/', 'single-label/', 'multi-label/', 'calibration/ece')  # metrics in percent


def print_report(report: Report) -> None:
    """Print the metrics of a test, and the classes with the lowest F1.

    Args:
        report: The report of the test.
    """
    decimals = report.accuracy.decimals if report.accuracy else 1
    print_table(_format_metrics(report, decimals))
    if empty := sum(not c.support for c in report.classes):
        show('')
        text = '0 in the means over classes'
        if report.accuracy:
            text = 'not in the balanced accuracy; 0 in the means over classes of metrics.json'
        show(f'{count(empty, "class")} without images: {text}')
    worst = report.worst(_MOST_CLASSES)
    if len(worst) < len(report.classes):
        show('')
        show(f'the {len(worst)} of {len(report.classes)} classes with the lowest F1:')
    numbers = ('precision', 'recall', 'F1', 'images')
    rows = [
        (c.name, *(f'{n:.{decimals}f}' for n in (c.precision, c.recall, c.f1)), str(c.support))
        for c in worst
    ]
    print_table(rows, ('class', *numbers), right=numbers)


def _format_metrics(report: Report, decimals: int) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each metric, with the accuracy and its interval first."""
    first: set[str] = set()
    if report.accuracy:
        yield 'accuracy', str(report.accuracy)
        yield 'balanced accuracy', f'{report.metrics[BALANCED]:.{decimals}f} %'
        first = {ACCURACY, f'{ACCURACY}-low', f'{ACCURACY}-high', BALANCED, 'images'}
        if not all(c.support for c in report.classes):
            # Means with 0 for classes without images look wrong beside the balanced accuracy.
            first |= {name for name in report.metrics if name.startswith('single-label/')}
    for name, value in report.metrics.items():
        if name not in first:
            percent = name.startswith(_PERCENT)
            yield name, f'{value:.{decimals}f} %' if percent else f'{value:.3g}'
