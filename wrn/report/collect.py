"""Collect the images that a report has of a test."""

import warnings
from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np

from wrn.report.album import Album
from wrn.report.content import Content, Embedding, Gallery
from wrn.report.embedding import embed
from wrn.report.parts import make_part
from wrn.report.shown_images import find_cells, find_least_certain, find_worst, sample_correct
from wrn.training.evaluation.image_results import ImageResults
from wrn.training.hooks.record_images import RecordedTest
from wrn.utils.packages import missing_packages
from wrn_base.errors import count

_GALLERIES: Sequence[tuple[str, str, Callable[[ImageResults], np.ndarray]]] = (
    ('Worst mistakes', 'wrong, with the highest loss', find_worst),
    ('Least certain', 'with the lowest probability of the predicted class', find_least_certain),
    ('Correct', 'a sample, evenly spread over the images', sample_correct),
)


def add_images(
    content: Content,
    test: RecordedTest,
    results: ImageResults,
    report: Callable[[int], None],
    thumbnails: bool = True,
) -> None:
    """Add the images of a test to what a report has: galleries, cells and the embedding.

    What is left out is added to :attr:`Content.left_out`.

    Args:
        content: What the report has, which is changed.
        test: The test.
        results: Its results for each image.
        report: Receives the number of images that are done.
        thumbnails: Whether to draw them, which only a page needs. Defaults to True.
    """
    if not len(results.indices):
        content.left_out.append(
            'images, near-duplicates and embedding: the dataset does not number its samples, so '
            'they cannot be read again'
        )
        return
    album = Album(test, results, report, thumbnails, content.near)
    content.images = album.images
    make_part(content, 'images', lambda: _add_galleries(content, album, results))
    if album.heat_layer:
        content.heat_note = f'Heat maps are Grad-CAM of the predicted class at {album.heat_layer}.'
        if test.averages_views:
            content.heat_note += ' They are of one view, while predictions are the mean over all.'
    if album.without_heat:
        content.left_out.append(f'heat maps: {album.without_heat}')
    # Before the embedding, whose images would leave no space for them.
    make_part(content, 'images of cells', lambda: _add_cells(content, album, results))
    make_part(content, 'embedding', lambda: _add_embedding(content, album, test, results))
    if album.is_full:
        content.left_out.append(
            f'images: {count(len(album.images), "image")} of {len(results.labels):,} are shown, '
            'since those of a page take at most 10 MB'
        )
    if album.unreadable:
        content.left_out.append(
            f'images: {count(album.unreadable, "image")} could not be read a second time'
        )


def _add_galleries(content: Content, album: Album, results: ImageResults) -> None:
    total, correct = len(results.labels), int(results.correct.sum())
    numbers = (total - correct, total, correct)
    for (title, how, find), number in zip(_GALLERIES, numbers, strict=True):
        images = album.add(find(results).tolist(), large=True)
        note = f'{how}: {len(images)} of {number:,}'
        content.galleries.append(Gallery(title, note, images))


def _add_cells(content: Content, album: Album, results: ImageResults) -> None:
    cells = {cell: positions.tolist() for cell, positions in find_cells(results).items()}
    shown = {*album.add(chain(*cells.values()))}
    content.cells = {cell: [i for i in found if i in shown] for cell, found in cells.items()}


def _add_embedding(
    content: Content, album: Album, test: RecordedTest, results: ImageResults
) -> None:
    if missing := missing_packages('sklearn', extra='report'):
        content.left_out.append(f'embedding: {missing}')
        return
    if not len(results.sampled):
        content.left_out.append('embedding: needs the features of an eager network in one view')
        return
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of few or equal images
        points = embed(results.features)
    if points is None:
        content.left_out.append('embedding: there are fewer than 10 images, or all are alike')
        return
    images = {*album.add(results.sampled.tolist())}
    shown = [i for i, position in enumerate(results.sampled.tolist()) if position in images]
    seen = ' from the last view' if test.averages_views else ''
    note = (
        f't-SNE of the features that the head takes{seen}, of {len(shown):,} of '
        f'{len(results.labels):,} images; only small distances mean something.'
    )
    content.embedding = Embedding(results.sampled[shown].tolist(), points[shown], note)
