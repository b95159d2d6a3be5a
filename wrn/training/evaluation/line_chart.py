"""Charts of lines, such as the curves of a training run."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A line in a chart.

    Attributes:
        name: Its name, such as ``'validation'``.
        x: The x coordinates.
        y: The y coordinates, of which those that are not finite are left out.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]

    @property
    def look(self) -> int:
        """The number of its color and style, the same in all charts: 1 for validation, else 0."""
        return int(self.name == 'validation')


@dataclass(frozen=True)
class Chart:
    """A chart of lines, such as the loss by epoch.

    Attributes:
        title: What is drawn, such as ``'loss'``. A title with ``%`` is of a share in percent.
        x_label: The name and unit of the x axis.
        lines: The lines.
        log_x: Whether the x axis is logarithmic, if its values are positive and differ enough.
        log_y: The same of the y axis.
        chosen: The x of the model that was tested; None if it is unknown.
        chosen_label: What the mark at ``chosen`` says, such as ``'tested: epoch 7'``.
    """

    title: str
    x_label: str
    lines: Sequence[Line]
    log_x: bool = False
    log_y: bool = False
    chosen: float | None = None
    chosen_label: str = ''

    @property
    def percent(self) -> bool:
        """Whether its values are percentages."""
        return '%' in self.title


@dataclass(frozen=True)
class Curves:
    """The charts of a training run.

    Attributes:
        name: The name of the run.
        what: What the charts show, such as ``'Training'``.
        length: How long it was, such as ``'20 epochs'``.
        charts: The charts.
    """

    name: str
    what: str
    length: str
    charts: Sequence[Chart]
