"""Draw the plots of a report."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wrn.report.content import Content
from wrn.training.evaluation.curve_plots import draw_curves
from wrn.training.evaluation.figures import draw_confusion
from wrn.training.evaluation.fonts import fonts_for
from wrn.training.evaluation.line_chart import Curves
from wrn.training.evaluation.reliability import draw_reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def find_plots(
    folder: str | Path, content: Content, curves: Curves | None
) -> Mapping[str, Callable[[], bytes]]:
    """Find the plots that a report has.

    Args:
        folder: The folder of the report, for messages.
        content: What the report has. Without the calibration, that is not drawn.
        curves: The curves of the training. None if there are none.

    Returns:
        The functions that draw each as PNG, by the names of the files.
    """
    report, plots = content.report, dict[str, Callable[[], bytes]]()
    if (confusion := report.confusion) is not None:
        names = [metrics.name for metrics in report.classes]

        def draw_matrix() -> bytes:
            with fonts_for(names, str(Path(folder, 'confusion.png')), 'confusion.csv'):
                return _save(draw_confusion(confusion, names))

        plots['confusion.png'] = draw_matrix
    if content.bins:
        plots['calibration.png'] = lambda: _save(draw_reliability(content.bins))
    if curves:

        def draw_training() -> bytes:
            with fonts_for([curves.name], str(Path(folder, 'curves.png'))):
                return _save(draw_curves([curves]))

        plots['curves.png'] = draw_training
    return plots


def _save(figure: 'Figure') -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format='png')
    return file.getvalue()
