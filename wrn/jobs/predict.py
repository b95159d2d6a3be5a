"""Classify images: ``wrn.predict``, and the command ``wrn predict``."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from typing import Any

from typing_extensions import Unpack

from wrn.data.images import EncodedImage, ImageLike, find_images
from wrn.inference.predictor import Predictor
from wrn.jobs.keywords import check_names
from wrn.jobs.loading import WeightsOptions, check_calibration, load_model, make_read_options
from wrn.results.record import Record
from wrn.zoo.resolve import ModelLike
from wrn_base.commands.predict import DEFAULT_MODEL
from wrn_base.errors import ImageReadError, check_whole
from wrn_base.options import DEFAULT_WORKERS


def predict(
    images: ImageLike | Sequence[ImageLike],
    model: ModelLike = DEFAULT_MODEL,
    checkpoint: str | PathLike[str] | None = None,
    *,
    topk: int = 5,
    device: str | None = None,
    batch_size: int = 32,
    workers: int = DEFAULT_WORKERS,
    backend: str = 'eager',
    precision: str = 'float32',
    calibration: ImageLike | Sequence[ImageLike] | None = None,
    channel_order: str | None = None,
    **weights: Unpack[WeightsOptions],
) -> Iterator[Record]:
    """Classify any number of images, in memory that does not grow with it.

    The model is loaded by the call, and the images are classified as the results are asked for.

    Args:
        images: A path, URL, array, PIL image, folder, glob pattern, ``.txt`` list, ``.tar``
            archive, or a sequence of these.
        model: What :func:`wrn.zoo.resolve.resolve` takes. Defaults to the embedded model, which
            knows handwritten digits 0 to 9.
        checkpoint: The path or URL of weights. Defaults to None, the model's own.
        topk: The number of classes to list for each image. Defaults to 5.
        device: The device. Defaults to None: the accelerator if there is one, else the CPU.
        batch_size: The number of images to run at a time. Defaults to 32.
        workers: The number of threads that decode images while the network runs. Defaults to the
            number of cores, and at most 8.
        backend: The backend that runs the network. Defaults to ``'eager'``.
        precision: The precision of the computation. Defaults to ``'float32'``.
        calibration: Images to calibrate ``precision='int8'`` with. Defaults to None.
        channel_order: The channel order of arrays, as for :func:`wrn.inference_model`.
        **weights: What to take from the file of weights, see
            :class:`wrn.jobs.loading.WeightsOptions`.

    Returns:
        The results, in the order of the images. A result has ``img_path`` and ``predictions``, the
        best class first; or ``img_path`` and ``error`` if the image cannot be read. An array or PIL
        image has no ``img_path``.

    Raises:
        WrnError: If the model or an option is wrong.
    """
    check_names(predict, weights, WeightsOptions)
    check_calibration(calibration, precision)
    check_whole('topk', topk, 1)
    check_whole('batch_size', batch_size, 1)
    check_whole('workers', workers, 0)
    network = load_model(
        model, checkpoint, device, make_read_options(weights), backend=backend,
        precision=precision, batch_size=batch_size, calibration=calibration,
    )  # fmt: skip
    predictor = Predictor(network, channel_order=channel_order)
    return classify(predictor, find_images(images), topk, batch_size, workers)


def classify(
    predictor: Predictor, images: Iterable[ImageLike], topk: int, batch_size: int, workers: int
) -> Iterator[Record]:
    """Classify images with a predictor.

    Args:
        predictor: The predictor.
        images: Single images, as :func:`wrn.data.images.find_images` yields them.
        topk: As for :func:`predict`.
        batch_size: As for :func:`predict`.
        workers: As for :func:`predict`.

    Yields:
        As for :func:`predict`.
    """

    def stream(images: Iterable[ImageLike]) -> Iterable[Any]:
        return predictor.stream(images, batch_size, workers)

    yield from make_records(images, stream, lambda sample: predictor.describe(sample, topk))


def make_records(
    images: Iterable[ImageLike],
    stream: Callable[[Iterable[ImageLike]], Iterable[Any]],
    describe: Callable[[Any], Record],
) -> Iterator[Record]:
    """Compute a record of each image.

    Args:
        images: Single images.
        stream: Yields a result or an :class:`ImageReadError` for each image.
        describe: Makes a record, without its ``img_path``, from a result.

    Yields:
        The record of each image, in order.
    """
    named: deque[Record] = deque()

    def remember_names() -> Iterator[ImageLike]:
        for image in images:
            has_path = isinstance(image, str | PathLike | EncodedImage)
            named.append(Record(img_path=str(image)) if has_path else Record())
            yield image

    for result in stream(remember_names()):
        failed = isinstance(result, ImageReadError)
        yield named.popleft() | (Record(error=str(result)) if failed else describe(result))
