"""The geometry of the map of images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wrn.report.content import Content, Embedding

#: The size of the map, in the units of its drawing.
WIDTH, HEIGHT = 640, 480
_MARGIN = 14
#: The largest number of classes that are told apart by color.
MOST_COLORS = 10


@dataclass(frozen=True)
class Point:
    """An image on the map.

    Attributes:
        key: Its key in :attr:`wrn.report.content.Content.images`.
        x: Its position from the left.
        y: Its position from the top.
        color: The number of its color: of the true class, or 0 if right and 1 if wrong.
        wrong: Whether the prediction is wrong.
    """

    key: int
    x: float
    y: float
    color: int
    wrong: bool


@dataclass(frozen=True)
class EmbeddingChart:
    """The map as it is drawn.

    Attributes:
        points: The points, the wrong ones last, which puts them on top.
        legend: The classes by the numbers of their colors; empty if color shows right or wrong.
        note: How many points were left out; empty if none.
    """

    points: Sequence[Point]
    legend: Sequence[int]
    note: str


def draw_embedding(content: Content, embedding: Embedding) -> EmbeddingChart:
    """Lay out the map of images.

    Args:
        content: The content of the page.
        embedding: Its map. Points that are not finite, or have no image, are left out.
    """
    places = np.asarray(embedding.points, float).reshape(-1, 2)
    usable = np.isfinite(places).all(axis=1)
    pairs = [
        (key, place)
        for key, place, finite in zip(embedding.images, places, usable, strict=True)
        if finite and key in content.images
    ]
    left_out = len(places) - len(pairs)
    note = (
        f'{left_out:,} of {len(places):,} points have no image or no position.' if left_out else ''
    )
    if not pairs:
        return EmbeddingChart((), (), note)
    xy = _scale(np.array([place for _, place in pairs]))
    labels = sorted({content.images[key].label for key, _ in pairs})
    by_class = len(content.report.classes) <= MOST_COLORS
    points = []
    for (key, _), (x, y) in zip(pairs, xy.tolist(), strict=True):
        image = content.images[key]
        wrong = not image.predictions or image.predictions[0][0] != image.label
        points.append(Point(key, x, y, image.label if by_class else int(wrong), wrong))
    points.sort(key=lambda point: point.wrong)
    return EmbeddingChart(points, labels if by_class else (), note)


def _scale(places: np.ndarray) -> np.ndarray:
    """Fit positions into the drawing, with one scale for both directions, as distances matter."""
    low, high = places.min(axis=0), places.max(axis=0)
    # Halves, since a difference may overflow.
    middle, extent = low / 2 + high / 2, high / 2 - low / 2
    room = np.array([WIDTH / 2 - _MARGIN, HEIGHT / 2 - _MARGIN])
    with np.errstate(divide='ignore'):
        scale = np.min(room / extent)
    center = np.array([WIDTH / 2, HEIGHT / 2])
    return np.round(center + (places - middle) * (scale if np.isfinite(scale) else 0.0), 1)
