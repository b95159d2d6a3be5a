"""Classify the images of requests, in batches."""

from collections.abc import Sequence
from typing import NamedTuple

from mmpretrain.structures import DataSample

from wrn.app.batch_queue import BatchQueue
from wrn.app.image_preprocessing import ImagePreprocessing
from wrn.app.image_uploads import check_image, decoded_pixels
from wrn.app.refusal import Refusal
from wrn.app.request_limits import RequestLimits
from wrn.data.images import EncodedImage
from wrn.data.images.header import Header
from wrn.inference.explained_images import ExplainedImage, ImageExplainer
from wrn.inference.predictor import Predictor
from wrn.inference.preprocessed import PreprocessedImage
from wrn.results.record import Record
from wrn_base.errors import ImageReadError, WrnError


class Question(NamedTuple):
    """An image of a request.

    Attributes:
        image: The image, preprocessed.
        topk: The number of classes to list.
        heat_map: Whether to compute a heat map of the best class.
    """

    image: PreprocessedImage
    topk: int
    heat_map: bool


class Answer(NamedTuple):
    """The results for an image.

    Attributes:
        record: The predictions, as :func:`wrn.predict` returns them, without ``img_path``.
        explained: The image as the network sees it, with the heat map of the best class; None if
            none was asked for.
    """

    record: Record
    explained: ExplainedImage | None


class Classification:
    """Classifies the images of requests with a model.

    Args:
        predictor: The model.
        limits: What a request may ask for.
        batch_size: The largest number of images to run at a time.

    Attributes:
        limits: What a request may ask for.
        no_heat_maps: Why there are no heat maps. Empty if there are.
        queue: The images that wait. Its ``run`` computes them.
    """

    def __init__(self, predictor: Predictor, limits: RequestLimits, batch_size: int) -> None:
        self._predictor, self._batch_size = predictor, batch_size
        self._preprocess = ImagePreprocessing(predictor)
        self.limits = limits
        self.no_heat_maps = ''
        try:
            self._explainer = ImageExplainer(predictor)
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
            Refusal: If there are no heat maps (422), the images have too many pixels together
                (413), the queue is full (429) or closed (503), or the network fails (500).
        """
        if heat_maps and self.no_heat_maps:
            raise Refusal(422, f'heatmap=true: {self.no_heat_maps}')
        refused: dict[int, Refusal] = {}
        good: list[tuple[EncodedImage, Header]] = []
        for place, image in enumerate(images):
            try:
                good.append((image, check_image(image, self.limits)))
            except Refusal as refusal:
                refused[place] = refusal
        most = self.limits.request_pixels
        if sum(decoded_pixels(header) for _, header in good) > most:
            raise Refusal(413, f'the images have more than {most:,} pixels; send fewer at a time')
        with self.queue.reserve(len(good)):
            prepared = await self._preprocess(good)
        questions = [Question(image, topk, heat_maps) for image in prepared]
        computed = iter(await self.queue.submit(questions) if questions else [])
        return [
            refused[place] if place in refused else _answer(next(computed))
            for place in range(len(images))
        ]

    def close(self) -> None:
        """End the threads that preprocess images."""
        self._preprocess.close()

    def _classify(self, questions: list[Question]) -> list[Answer | Exception]:
        """Classify a batch, in one pass of the images without heat maps and one of the others."""
        answers: dict[int, Answer | Exception] = {}
        for heat_map in (False, True):
            places = [i for i, question in enumerate(questions) if question.heat_map == heat_map]
            images = [questions[place].image for place in places]
            if not images:
                continue
            found = self._explain(images) if heat_map else self._predict(images)
            for place, result in zip(places, found, strict=True):
                answers[place] = self._describe(result, questions[place].topk)
        return [answers[place] for place in range(len(questions))]

    def _predict(self, images: list[PreprocessedImage]) -> list[DataSample | ImageReadError]:
        return list(self._predictor.stream(images, self._batch_size))

    def _explain(self, images: list[PreprocessedImage]) -> list[ExplainedImage | WrnError]:
        try:
            return list(self._explainer.stream(images, self._batch_size))
        except WrnError as error:
            if len(images) == 1:
                return [error]
            # An image of another client may be the cause.
            return [self._explain([image])[0] for image in images]

    def _describe(
        self, result: DataSample | ExplainedImage | WrnError, topk: int
    ) -> Answer | Exception:
        if isinstance(result, WrnError):
            return result
        explained = result if isinstance(result, ExplainedImage) else None
        try:
            sample = explained.sample if explained else result
            return Answer(self._predictor.describe(sample, topk), explained)
        except WrnError as error:
            return error


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
