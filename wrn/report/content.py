"""What a report has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from wrn.training.evaluation import Report
from wrn.training.evaluation.calibration import Bin
from wrn.training.evaluation.line_chart import Chart


@dataclass(frozen=True)
class ShownImage:
    """An image that the page shows.

    Attributes:
        path: The path, or the position in a dataset that has no files.
        label: The index of the true class.
        predictions: The indices and probabilities of at most three classes, the best first.
        loss: The negative logarithm of the probability of the true class, in nats.
        thumbnail: The image as the network sees it, a small JPEG.
        heat_map: The thumbnail with a heat map over it, a JPEG; None if there is none.
    """

    path: str
    label: int
    predictions: Sequence[tuple[int, float]]
    loss: float
    thumbnail: bytes
    heat_map: bytes | None = None


@dataclass(frozen=True)
class Gallery:
    """A row of images.

    Attributes:
        title: What the images have in common.
        note: How they were chosen, and how many were left out.
        images: Their keys in :attr:`Content.images`.
    """

    title: str
    note: str
    images: Sequence[int]


@dataclass(frozen=True)
class Embedding:
    """A map of images, on which similar ones are close.

    Attributes:
        images: The keys of the images in :attr:`Content.images`.
        points: Their positions, ``(N, 2)``.
        note: How it was computed, and how many images were left out.
    """

    images: Sequence[int]
    points: np.ndarray
    note: str


@dataclass(frozen=True)
class NearPair:
    """Two images that look alike.

    Attributes:
        kind: What differs: ``'split'``, whether or not the classes differ too; or ``'class'`` in
            one split.
        first: The path of the first one.
        second: The path of the second one.
        distance: The number of bits, out of 64, in which their hashes differ.
        splits: The names of their splits: ``'train'``, ``'val'`` or ``'test'``.
        classes: The indices of their classes.
        thumbnails: Small JPEGs of both; None if there was no space.
    """

    kind: str
    first: str
    second: str
    distance: int
    splits: tuple[str, str]
    classes: tuple[int, int]
    thumbnails: tuple[bytes, bytes] | None = None


@dataclass
class Content:
    """All that a page shows.

    Attributes:
        title: The name of the model.
        facts: Names and values: model, provenance of the weights, their hash, data folder with
            counts, date, command line, versions.
        report: The metrics of the test, over all images and by class.
        bins: The calibration. Empty if it was not measured.
        charts: The curves of the training. Empty for a test.
        images: The images that are shown, by their positions in the dataset.
        galleries: The worst mistakes and so on.
        cells: The images of cells of the confusion matrix, by true and predicted class. A cell may
            have more images than are shown.
        embedding: The map of images; None if there is none.
        near: Near-duplicates.
        heat_note: How the heat maps were computed, in a sentence.
        near_note: How they were searched for, and how many images and pairs were left out.
        left_out: What the report does not have and why, in sentences.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    report: Report
    bins: Sequence[Bin] = ()
    charts: Sequence[Chart] = ()
    images: Mapping[int, ShownImage] = field(default_factory=dict)
    galleries: list[Gallery] = field(default_factory=list)
    cells: Mapping[tuple[int, int], Sequence[int]] = field(default_factory=dict)
    embedding: Embedding | None = None
    near: Sequence[NearPair] = ()
    heat_note: str = ''
    near_note: str = ''
    left_out: list[str] = field(default_factory=list)
