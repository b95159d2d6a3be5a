"""Print the metrics of a test as tables."""

from wrn.training.evaluation import Report
from wrn_base.tables import print_table
from wrn_base.terminal import show

_MOST_CLASSES = 20


def print_report(report: Report) -> None:
    """Print the metrics of a test, and the classes with the lowest F1.

    Args:
        report: The report of the test.
    """
    print_table((name, f'{value:.4f}') for name, value in report.metrics.items())
    worst = report.worst(_MOST_CLASSES)
    if len(worst) < len(report.classes):
        show('')
        show(f'the {len(worst)} of {len(report.classes)} classes with the lowest F1:')
    numbers = ('precision', 'recall', 'F1', 'images')
    rows = [
        (c.name, *(f'{value:.2f}' for value in (c.precision, c.recall, c.f1)), str(c.support))
        for c in worst
    ]
    print_table(rows, ('class', *numbers), right=numbers)
