"""Classify images, and draw where in them the predicted class comes from."""

from collections.abc import Iterable, Iterator
from typing import Any

from wrn.data.images import ImageLike
from wrn.inference.explained_images import ExplainedImage, ImageExplainer
from wrn.inference.predictor import Predictor
from wrn.jobs.heat_map_folder import HeatMapFolder
from wrn.jobs.predict import make_records
from wrn.results.record import Record


def classify_and_draw(
    predictor: Predictor,
    explainer: ImageExplainer,
    folder: HeatMapFolder,
    images: Iterable[ImageLike],
    first: int,
    topk: int,
    batch_size: int,
    workers: int,
) -> Iterator[Record]:
    """Classify images, and write the heat map of the most probable class of each.

    Images are read and preprocessed once. The network runs twice: the predictions are exactly those
    without heat maps.

    Args:
        predictor: The predictor.
        explainer: The explainer of the most probable class.
        folder: The folder for the heat maps.
        images: Single images with a path, as :func:`wrn.data.images.find_images` yields them.
        first: The number of the first one, for the file names.
        topk: As for :func:`wrn.predict`.
        batch_size: As for :func:`wrn.predict`.
        workers: As for :func:`wrn.predict`.

    Yields:
        As for :func:`wrn.predict`, with the path of the file as ``heat_map``.
    """

    def stream(images: Iterable[ImageLike]) -> Iterable[Any]:
        return explainer.stream(images, batch_size, workers)

    def describe(image: ExplainedImage) -> Any:
        return dict(predictor.describe(image.sample, topk), explained=image.explanations[0])

    results: Iterator[Any] = make_records(images, stream, describe)
    for number, record in enumerate(results, first):
        if explained := record.pop('explained', None):
            record['heat_map'] = folder.write_overlay(number, record['img_path'], explained)
        yield record
