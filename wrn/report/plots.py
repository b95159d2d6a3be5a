"""Draw the plots of a report."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wrn.training.evaluation import Report
from wrn.training.evaluation.calibration import Bin
from wrn.training.evaluation.curve_plots import draw_curves
from wrn.training.evaluation.figures import draw_confusion
from wrn.training.evaluation.fonts import fonts_for
from wrn.training.evaluation.line_chart import Curves
from wrn.training.evaluation.reliability import draw_reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_plots(
    folder: str | Path, report: Report, bins: Sequence[Bin], curves: Curves | None
) -> dict[str, bytes]:
    """Draw the plots of a report.

    Args:
        folder: The folder of the report, for messages.
        report: The metrics.
        bins: The calibration. Without any, it is not drawn.
        curves: The curves of the training. None if there are none.

    Returns:
        The plots as PNG, by their file names.
    """
    plots = {}
    if report.confusion is not None:
        names = [metrics.name for metrics in report.classes]
        with fonts_for(names, str(Path(folder, 'confusion.png')), 'confusion.csv'):
            plots['confusion.png'] = _save(draw_confusion(report.confusion, names))
    if bins:
        plots['calibration.png'] = _save(draw_reliability(bins))
    if curves:
        with fonts_for([curves.name], str(Path(folder, 'curves.png'))):
            plots['curves.png'] = _save(draw_curves([curves]))
    return plots


def _save(figure: 'Figure') -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format='png')
    return file.getvalue()
