"""Tables on the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wrn.training.evaluation import Report

_MOST_CLASSES = 20


def print_table(table: Table) -> None:
    """Print a table, in a narrow terminal with lines that wrap, which is better than cut columns.

    Args:
        table: The table, whose columns do not wrap.
    """
    width = Console(width=1000).measure(table).maximum
    Console(width=max(width, Console().width)).print(table)


def print_report(report: Report) -> None:
    """Print the metrics, and a table of the classes.

    Args:
        report: What came of a test. Of many classes those with the least F1 are shown.
    """
    metrics = Table(box=None, show_header=False)
    for name, value in report.metrics.items():
        metrics.add_row(escape(name), f'{value:.4f}')
    print_table(metrics)
    worst = report.worst(_MOST_CLASSES)
    if len(worst) < len(report.classes):
        print(f'\nthe worst {len(worst)} of {len(report.classes)} classes:')
    table = Table(box=None, header_style='bold')
    table.add_column('class', no_wrap=True)
    for name in ('precision', 'recall', 'F1', 'pictures'):
        table.add_column(name, justify='right', no_wrap=True)
    for figures in worst:
        numbers = (figures.precision, figures.recall, figures.f1)
        cells = [f'{number:.2f}' for number in numbers]
        table.add_row(escape(figures.name), *cells, str(figures.support))
    print_table(table)
