"""Print tables."""

from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wrn.training.evaluation import Report
from wrn_base.terminal import printable, show

Cell: TypeAlias = str | Sequence[str]
_MOST_CLASSES = 20


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
