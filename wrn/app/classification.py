"""Classify the images of requests, in batches."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from wrn.app.batch_queue import BatchQueue
from wrn.app.image_uploads import check_image
from wrn.app.refusal import Refusal
from wrn.app.request_limits import RequestLimits
from wrn.data.images import EncodedImage
from wrn.inference.explanations import Explainer
from wrn.inference.heat_map import overlay
from wrn.inference.predictor import Predictor
from wrn.inference.seen_pixels import to_pixels
from wrn.results.record import Record
from wrn_base.errors import ImageReadError, WrnError


class Question(NamedTuple):
    """An image of a request.

    Attributes:
        image: The image.
        topk: The number of classes to list.
        heat_map: Whether to compute a heat map of the best class.
    """

    image: EncodedImage
    topk: int
    heat_map: bool


class HeatMap(NamedTuple):
    """Where the network looks.

    Attributes:
        pixels: The image as the network sees it, ``(H, W, 3)``, RGB, uint8.
        values: The raw map, ``(h, w)``, float32.
    """

    pixels: np.ndarray
    values: np.ndarray

    def draw(self, strength: float = 0.5) -> np.ndarray:
        """Return the image with the map over it, ``(H, W, 3)``, RGB, uint8.

        Args:
            strength: The share of the map, from 0 to 1. Defaults to 0.5.
        """
        return overlay(self.pixels, self.values, strength)


class Answer(NamedTuple):
    """The results for an image.

    Attributes:
        record: The predictions, as :func:`wrn.predict` returns them, without ``img_path``.
        heat_map: The heat map of the best class; None if none was asked for.
    """

    record: Record
    heat_map: HeatMap | None


class Classification:
    """Classifies the images of requests with a model.

    Args:
        predictor: The model.
        limits: What a request may ask for.
        batch_size: The largest number of images to run at a time.

    Attributes:
        limits: What a request may ask for.
        classes: The names of the classes; None if they are unknown.
        no_heat_maps: Why there are no heat maps. Empty if there are.
        queue: The images that wait. Its ``run`` computes them.
    """

    def __init__(self, predictor: Predictor, limits: RequestLimits, batch_size: int) -> None:
        self._predictor, self._batch_size = predictor, batch_size
        self.limits = limits
        self.classes: Sequence[str] | None = predictor.classes
        self.no_heat_maps = ''
        try:
            self._explainer = Explainer(predictor.model)
        except WrnError as error:
            self.no_heat_maps = str(error)
        self.queue: BatchQueue[Question, Answer] = BatchQueue(
            self._classify, batch_size, limits.queue
        )

    async def classify(
        self, images: Sequence[EncodedImage], topk: int, heat_maps: bool
    ) -> list[Answer | Refusal]:
        """Classify the images of a request.

        Args:
            images: The images.
            topk: The number of classes to list for each.
            heat_maps: Whether to compute heat maps.

        Returns:
            The answer for each image, in order, or why there is none.

        Raises:
            Refusal: If there are no heat maps (422), the queue is full (429) or closed (503), or
                the network fails (500).
        """
        if heat_maps and self.no_heat_maps:
            raise Refusal(422, f'heatmap=true: {self.no_heat_maps}')
        refused: dict[int, Refusal] = {}
        for place, image in enumerate(images):
            try:
                check_image(image, self.limits)
            except Refusal as refusal:
                refused[place] = refusal
        good = [image for place, image in enumerate(images) if place not in refused]
        questions = [Question(image, topk, heat_maps) for image in good]
        computed = iter(await self.queue.submit(questions) if questions else [])
        return [
            refused[place] if place in refused else _answer(next(computed))
            for place in range(len(images))
        ]

    def _classify(self, questions: list[Question]) -> Iterator[Answer | Exception]:
        images = [question.image for question in questions]
        samples = self._predictor.stream(images, self._batch_size)
        for question, sample in zip(questions, samples, strict=True):
            if isinstance(sample, ImageReadError):
                yield sample
                continue
            record = self._predictor.describe(sample, question.topk)
            try:
                best = record['predictions'][0]['pred_label']
                wanted = question.heat_map
                yield Answer(record, self._explain(question.image, best) if wanted else None)
            except WrnError as error:
                yield error

    def _explain(self, image: EncodedImage, label: int) -> HeatMap:
        ((inputs,), _) = next(iter(self._predictor.batches([image])))
        (values,) = self._explainer(inputs, [label])
        (pixels,) = to_pixels(inputs, self._predictor.model)
        return HeatMap(pixels, values)


def _answer(result: Answer | Exception) -> Answer | Refusal:
    """Return an answer, or the refusal of one image; raise what concerns the whole request."""
    if isinstance(result, Answer):
        return result
    if isinstance(result, ImageReadError):  # its header was in order
        return Refusal(422, str(result))
    if isinstance(result, Refusal):
        raise result
    if isinstance(result, WrnError):
        raise Refusal(500, str(result))
    raise result


def failures(answers: Iterable[Answer | Refusal]) -> list[Refusal]:
    """Return those that are refusals."""
    return [answer for answer in answers if isinstance(answer, Refusal)]
