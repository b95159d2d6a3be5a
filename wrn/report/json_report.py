"""The figures of a report as JSON."""

import json
from typing import Any

import numpy as np

from wrn.report.content import Content
from wrn.training.evaluation.line_chart import Chart
from wrn.utils.finite import to_finite

_VERSION = 1


def format_report(content: Content) -> bytes:
    """Return the figures of a report as JSON.

    Args:
        content: What the report has.

    Returns:
        An object. Its ``version`` changes when the meaning or the name of a value does. Labels are
        positions in ``classes``. ``confusion`` lists the cells that are not 0, as the true class,
        the predicted class and the number of images; it is null for a test with several labels. A
        number that is not finite is null.
    """
    report = content.report
    figures = dict(
        version=_VERSION,
        facts=dict(content.facts),
        metrics=report.metrics,
        classes=[vars(metrics) for metrics in report.classes],
        confusion=None if report.confusion is None else _list_cells(report.confusion),
        calibration=[vars(group) for group in content.bins],
        charts=[_describe_chart(chart) for chart in content.charts],
        galleries=[
            dict(
                title=gallery.title,
                note=gallery.note,
                images=[_describe_image(content, i) for i in gallery.images],
            )
            for gallery in content.galleries
        ],
        near_duplicates=[
            dict(
                images=[
                    dict(path=image.path, split=image.split, label=image.label)
                    for image in group.images
                ],
                left_out=group.left_out,
            )
            for group in content.near
        ],
        near_note=content.near_note,
        cautions=list(content.cautions),
        embedding=_describe_embedding(content),
        left_out=list(content.left_out),
    )
    return (json.dumps(to_finite(figures), indent=1, allow_nan=False) + '\n').encode()


def _list_cells(confusion: np.ndarray) -> list[list[int]]:
    return [[i, j, int(confusion[i, j])] for i, j in np.argwhere(confusion).tolist()]


def _describe_chart(chart: Chart) -> dict[str, Any]:
    lines = [dict(name=line.name, x=list(line.x), y=list(line.y)) for line in chart.lines]
    return dict(title=chart.title, x=chart.x_label, chosen=chart.chosen, lines=lines)


def _describe_image(content: Content, position: int) -> dict[str, Any]:
    image = content.images[position]
    predictions = [dict(label=label, score=score) for label, score in image.predictions]
    return dict(path=image.path, label=image.label, predictions=predictions, loss=image.loss)


def _describe_embedding(content: Content) -> dict[str, Any] | None:
    if content.embedding is None:
        return None
    found = zip(content.embedding.images, content.embedding.points.tolist(), strict=True)
    images = [dict(path=content.images[i].path, x=x, y=y) for i, (x, y) in found]
    return dict(note=content.embedding.note, images=images)
