"""Tables on the terminal."""

from rich.console import Console
from rich.table import Table


def print_table(table: Table) -> None:
    """Print a table, in a narrow terminal with lines that wrap, which is better than cut columns.

    Args:
        table: The table, whose columns do not wrap.
    """
    width = Console(width=1000).measure(table).maximum
    Console(width=max(width, Console().width)).print(table)
