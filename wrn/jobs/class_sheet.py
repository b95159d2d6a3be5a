"""Draw an image beside its heat maps of several classes."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from wrn.inference.explained_images import ExplainedClass
from wrn.training.evaluation.plot_text import shorten
from wrn_base.percent import format_percent

MOST_CLASSES = 20  # on a sheet
_COLUMNS = 5
_INCHES = 2.4  # the width of an image
_NAME = 28  # columns of a name


def draw_sheet(pixels: np.ndarray, classes: Sequence[ExplainedClass]) -> np.ndarray:
    """Draw an image and, beside it, its maps of several classes with their probabilities.

    Args:
        pixels: The image, ``(H, W, 3)``, RGB, uint8.
        classes: The classes, at most :data:`MOST_CLASSES`.

    Returns:
        The sheet, ``(H', W', 3)``, RGB, uint8.
    """
    from matplotlib.figure import Figure

    panels = [(pixels, 'image', '')]
    # The command has warned of names that no font can draw, which become numbers.
    names, _ = shorten(
        [name_class(one) for one in classes], [one['pred_label'] for one in classes], _NAME
    )
    for one, name in zip(classes, names, strict=True):
        note = format_percent(100 * one['pred_score'])
        note += ', no positive value' if one['is_blank'] else ''
        panels.append((one['overlay'], name, note))
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    height = min(4.0, max(0.25, pixels.shape[0] / pixels.shape[1])) * _INCHES + 0.6
    figure = Figure((columns * _INCHES, rows * height), layout='constrained')
    cells = figure.subplots(rows, columns, squeeze=False).flatten()
    for cell in cells:
        cell.axis('off')
    for cell, (shown, title, note) in zip(cells, panels, strict=False):
        cell.imshow(shown, interpolation='nearest')
        cell.set_title(f'{title}\n{note}', fontsize=9, parse_math=False)
    file = io.BytesIO()
    figure.savefig(file, dpi=100, format='png')
    return np.array(Image.open(file).convert('RGB'))


def name_class(one: ExplainedClass) -> str:
    """Return the name of a class, or its index.

    Args:
        one: The class.
    """
    return str(one.get('pred_class', f'class {one["pred_label"]}'))
