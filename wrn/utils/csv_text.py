"""Write CSV, with formulas escaped if the user asks for it."""

import csv
import io
import os
from collections.abc import Iterable
from typing import Any

SAFE = 'WRN_CSV_SAFE'
_FORMULA = ('=', '+', '-', '@', '\t', '\r')


def format_csv(rows: Iterable[Iterable[Any]], safe: bool = False) -> bytes:
    """Format rows as CSV.

    Args:
        rows: The values of each row, the header first.
        safe: Whether to escape formulas even if the user did not ask for it. Defaults to False.

    Returns:
        The content of the file, UTF-8 except for the bytes of file names that are not UTF-8.
    """
    text = io.StringIO(newline='')
    cells = ([format_cell(value, safe) for value in row] for row in rows)
    csv.writer(text, lineterminator='\n').writerows(cells)
    return text.getvalue().encode(errors='surrogateescape')


def format_cell(value: Any, safe: bool = False) -> Any:
    """Put a quote before a text that a spreadsheet would run as a formula, if that is wanted.

    By default the text stays, so that a path can be read back.

    Args:
        value: The value of a cell. Numbers are not changed.
        safe: As for :func:`format_csv`. Defaults to False.
    """
    if isinstance(value, str) and value.startswith(_FORMULA) and (safe or os.environ.get(SAFE)):
        return f"'{value}"
    return value
