"""Explain the predictions for images, one batch after the other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from mmpretrain.structures import DataSample
from torch import Tensor

from wrn.data.class_names import find_positions
from wrn.data.images import ImageLike
from wrn.deploy.classifier import get_num_classes
from wrn.inference.explanations import Explainer
from wrn.inference.heat_map import overlay
from wrn.inference.predictor import Predictor
from wrn.inference.preprocessed import PreprocessedImage
from wrn.inference.seen_pixels import enlarge, to_pixels
from wrn.results.record import Prediction
from wrn_base.errors import ImageReadError, WrnError, did_you_mean

_DIGITS = 10  # of an index
_LONG = 80  # characters of a wrong name that a message shows


class ExplainedClass(Prediction):
    """A class, its probability, and where in the image its score comes from.

    Attributes:
        raw_map: The map at the resolution of the layer, ``(h, w)``, float32.
        overlay: The map over the image, ``(H, W, 3)``, RGB, uint8. An image whose longer side has
            less than 224 pixels is enlarged.
        is_blank: Whether the map has no positive value, so that the overlay is the image.
    """

    raw_map: np.ndarray
    overlay: np.ndarray
    is_blank: bool


@dataclass(frozen=True)
class ExplainedImage:
    """An image and the explanations of its classes.

    Attributes:
        pixels: The image as the network sees it, ``(H, W, 3)``, RGB, uint8.
        sample: The prediction.
        explanations: The explained classes, in the order in which they were asked for.
    """

    pixels: np.ndarray
    sample: DataSample
    explanations: list[ExplainedClass]


class ImageExplainer:
    """Classify images, and explain the predicted or other classes.

    Args:
        predictor: The predictor.
        method: As for :class:`Explainer`. Defaults to ``'gradcam'``.
        layer: As for :class:`Explainer`. Defaults to None.
        classes: The names or indices of the classes to explain. A number that is also a name is the
            name. Defaults to none: the most probable class of each image.

    Attributes:
        explainer: The explainer.
        labels: The indices of ``classes``.

    Raises:
        WrnError: If a class is unknown, or ``'eigencam'`` is given classes, which it does not
            distinguish; and as :class:`Explainer` does.
    """

    def __init__(
        self,
        predictor: Predictor,
        method: str = 'gradcam',
        layer: str | None = None,
        classes: Sequence[str | int] = (),
    ) -> None:
        if classes and method == 'eigencam':
            raise WrnError(
                '--class: has no effect on eigencam, whose map is the same for every class; leave '
                'it out, or use another method'
            )
        self.explainer = Explainer(predictor.model, method, layer)
        number = get_num_classes(predictor.model)
        found = [_find_label(name, predictor.classes, number) for name in classes]
        self.labels = list(dict.fromkeys(found))
        self._predictor = predictor

    def stream(
        self, images: Iterable[ImageLike | PreprocessedImage], batch_size: int = 1, workers: int = 0
    ) -> Iterator[ExplainedImage | ImageReadError]:
        """Explain images one batch after the other, in memory that does not grow.

        Args:
            images: As for :meth:`Predictor.stream`.
            batch_size: The number of images to run at a time. Defaults to 1.
            workers: The number of threads that preprocess images while the network runs. Defaults
                to 0: preprocessing and network alternate.

        Yields:
            The explanations of each image, in order, or the error if it cannot be read.
        """
        for meta, explained in self._predictor.run(self._compute, images, batch_size, workers):
            yield meta if isinstance(meta, ImageReadError) else explained

    def _compute(self, batch: Tensor) -> list[ExplainedImage]:
        samples = self._predictor.classify(batch)
        labels = [self.labels or [int(sample.pred_score.argmax())] for sample in samples]
        maps = self.explainer(batch, labels)
        pixels = to_pixels(batch, self._predictor.model)
        return [
            ExplainedImage(pixels[i], sample, self._explain(sample, pixels[i], labels[i], maps[i]))
            for i, sample in enumerate(samples)
        ]

    def _explain(
        self, sample: DataSample, pixels: np.ndarray, labels: list[int], maps: np.ndarray
    ) -> list[ExplainedClass]:
        large, classes = enlarge(pixels), self._predictor.classes
        explained = []
        for label, raw_map in zip(labels, maps, strict=True):
            score, is_blank = float(sample.pred_score[label]), not (raw_map > 0).any()
            one = ExplainedClass(
                pred_label=label, pred_score=score, raw_map=raw_map,
                overlay=overlay(large, raw_map), is_blank=is_blank,
            )  # fmt: skip
            if classes:
                one['pred_class'] = classes[label]
            explained.append(one)
        return explained


def _find_label(name: str | int, classes: Sequence[str] | None, number: int | None) -> int:
    """Return the index of a class. Without a number of classes, the explainer checks the index."""
    if isinstance(name, str) and classes:
        position = find_positions([name], classes)[0]
        if position is not None:
            return position
    text = str(name)
    is_index = text.isascii() and text.isdigit() and len(text) < _DIGITS
    if is_index and (number is None or int(text) < number):
        return int(text)
    near = did_you_mean(text[:_LONG], map(str, classes or ()))
    names = 'a name, or ' if classes else ''
    largest = '' if number is None else f' from 0 to {number - 1}'
    raise WrnError(f'--class {text[:_LONG]!r}: unknown; give {names}an index{largest}{near}')
