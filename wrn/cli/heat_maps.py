"""Report the heat maps that a command has written."""

from collections.abc import Callable

from wrn.jobs.heat_map_folder import HeatMapFolder
from wrn_base.errors import count
from wrn_base.names import cut_middle
from wrn_base.terminal import say

_CLASSES, _NAME = 5, 40  # classes to name, and characters of a name


def report_heat_maps(folder: HeatMapFolder, what: str, show: Callable[[str], None] = say) -> None:
    """Print what was written, and how many maps have nothing to show.

    Args:
        folder: The folder.
        what: What the maps show, and where to find them.
        show: Prints the line. Defaults to :func:`wrn_base.terminal.say`.
    """
    show(f'{folder.path}: {what}; images are as the network sees them, after the test pipeline')
    if folder.blank:
        number, classes = folder.blank.total(), folder.blank.most_common(_CLASSES)
        have = 'has' if number == 1 else 'have'
        names = [f'{blank} of {cut_middle(name, _NAME)!r}' for (_, name), blank in classes]
        if others := len(folder.blank) - len(names):
            rest = number - sum(blank for _, blank in classes)
            names.append(f'{rest} of {count(others, "other class")}')
        say(
            f'{number} of {count(folder.drawn, "heat map")} {have} no positive value, so only the '
            f'image is shown ({", ".join(names)}): no position raises the score of the class; try '
            '`wrn explain` with another --method, or with an earlier --layer'
        )
