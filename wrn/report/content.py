"""What a report has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

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
class NearImage:
    """An image that looks like others.

    Attributes:
        path: Its path, or its number in a dataset without files.
        split: The name of its split: ``'train'``, ``'val'`` or ``'test'``.
        label: The index of its class.
        thumbnail: A small JPEG; None if the image could not be read again.
    """

    path: str
    split: str
    label: int
    thumbnail: bytes | None = None


@dataclass(frozen=True)
class NearGroup:
    """Images of several splits or classes that look alike.

    Attributes:
        images: The images, those of training first: at least one of each split, and as many
            classes as there is space for.
        left_out: The number of further images that look like these.
    """

    images: Sequence[NearImage]
    left_out: int = 0

    @property
    def splits(self) -> set[str]:
        """The splits of the images."""
        return {image.split for image in self.images}

    @property
    def labels(self) -> list[int]:
        """The classes of the images, each once."""
        return sorted({image.label for image in self.images})


class OtherImage(NamedTuple):
    """A labeled image of another split than the test."""

    split: str
    path: str
    label: int


@dataclass(frozen=True)
class Subject:
    """What a report is of.

    Attributes:
        title: The name of the model.
        facts: What :func:`wrn.report.facts.list_facts` returns.
        cautions: What limits what the figures say, in sentences.
        others: The images of other splits, to be compared with those of the test.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    cautions: Sequence[str] = ()
    others: Sequence[OtherImage] = ()


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
        near: Groups of near-duplicates.
        heat_note: How the heat maps were computed, in a sentence.
        near_note: How they were searched for, and how many images and groups were left out.
        cautions: What limits what the figures say, in sentences.
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
    near: Sequence[NearGroup] = ()
    heat_note: str = ''
    near_note: str = ''
    cautions: Sequence[str] = ()
    left_out: list[str] = field(default_factory=list)
