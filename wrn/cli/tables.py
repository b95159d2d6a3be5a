"""Print tables."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wrn.training.evaluation import ACCURACY, BALANCED, Report
from wrn_base.terminal import printable, show

Cell: TypeAlias = str | Sequence[str]
_MOST_CLASSES = 20
_PERCENT = ('accuracy/', 'single-label/', 'multi-label/', 'calibration/ece')  # metrics in percent


def print_table(
    rows: Iterable[Sequence[Cell]], columns: Sequence[str] = (), right: Collection[str] = ()
) -> None:
    """Print a table. In a narrow terminal its lines wrap, so that no cell is cut.

    Args:
        rows: The cells of each row, each a text or a list of lines.
        columns: The names of the columns. Defaults to no header: each row starts with its name.
        right: The names of the columns to align on the right. Defaults to none.
    """
    table = Table(box=None, header_style='bold', show_header=bool(columns))
    for column in columns:
        table.add_column(column, justify='right' if column in right else 'left')
    if not columns:
        table.add_column(style='bold')
    for row in rows:
        table.add_row(*(Text(_format(cell)) for cell in row))
    width = Console(width=1000).measure(table).maximum
    Console(width=max(width, Console().width)).print(table)


def _format(cell: Cell) -> str:
    return '\n'.join(map(printable, [cell] if isinstance(cell, str) else cell))


def print_report(report: Report) -> None:
    """Print the metrics of a test, and the classes with the lowest F1.

    Args:
        report: The report of the test.
    """
    decimals = report.accuracy.decimals if report.accuracy else 1
    print_table(_format_metrics(report, decimals))
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
    for name, value in report.metrics.items():
        if name not in first:
            percent = name.startswith(_PERCENT)
            yield name, f'{value:.{decimals}f} %' if percent else f'{value:.4g}'
