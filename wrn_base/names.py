"""Names of classes, files and runs, as people see them."""

from collections.abc import Callable

from wrn_base.terminal import printable


def visible(name: str) -> str:
    """Return a name in one line, in quotes if it is blank or has spaces at its ends.

    Args:
        name: The name.
    """
    return printable(name if name and name == name.strip() else repr(name))


def cut_middle(name: str, longest: int, measure: Callable[[str], int] = len) -> str:
    """Cut the middle of a name that is too long: names of a dataset often start alike.

    Args:
        name: The name, printable.
        longest: The length that it may have.
        measure: Measures a length. Defaults to counting characters.

    Returns:
        The name, or its start and end with an ellipsis between them. A third is for the end.
    """
    if measure(name) <= longest:
        return name
    start, end = name[:longest], name[-(longest // 3) :]
    while measure(end) > longest // 3:
        end = end[1:]
    while measure(start) > longest - 1 - measure(end):
        start = start[:-1]
    return f'{start.rstrip()}…{end}'
