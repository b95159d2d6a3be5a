"""Report the heat maps that a command has written."""

from collections.abc import Callable

from wrn.jobs.heat_map_folder import HeatMapFolder
from wrn_base.errors import count
from wrn_base.terminal import say


def report_heat_maps(folder: HeatMapFolder, what: str, show: Callable[[str], None] = say) -> None:
    """Print what was written, and how many maps have nothing to show.

    Args:
        folder: The folder.
        what: What the maps show, and where to find them.
        show: Prints the line. Defaults to :func:`wrn_base.terminal.say`.
    """
    show(f'{folder.path}: {what}; images are as the network sees them, after the test pipeline')
    if folder.blank:
        have = 'has' if folder.blank == 1 else 'have'
        number = count(folder.blank, 'heat map')
        say(f'{number} {have} no positive value, so only the image is shown')
