"""Print tables."""

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from wrn_base.terminal import printable, without_live_line

Cell: TypeAlias = str | Sequence[str]


def print_table(
    rows: Iterable[Sequence[Cell]], columns: Sequence[str] = (), right: Collection[str] = ()
) -> None:
    """Print a table on standard output.

    In a terminal, a cell that is too long continues on the next line of its column. Elsewhere a row
    is one line, for other programs to read.

    Args:
        rows: The cells of each row, each a text or a list of lines.
        columns: The names of the columns. Defaults to no header: each row starts with its name.
        right: The names of the columns to align on the right. Defaults to none.
    """
    table = Table(box=None, header_style='bold', show_header=bool(columns))
    for column in columns:
        table.add_column(
            column, justify='right' if column in right else 'left', overflow='fold',
            no_wrap=column in right,
        )  # fmt: skip
    if not columns:
        table.add_column(style='bold', no_wrap=True)
        table.add_column(overflow='fold')
    for row in rows:
        table.add_row(*(Text(_format(cell)) for cell in row))
    width = Console(width=1000).measure(table).maximum
    terminal = Console().width
    with without_live_line():
        Console(width=terminal if sys.stdout.isatty() else max(width, terminal)).print(table)


def _format(cell: Cell) -> str:
    return '\n'.join(map(printable, [cell] if isinstance(cell, str) else cell))
