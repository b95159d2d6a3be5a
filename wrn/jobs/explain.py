"""Explain predictions: ``wrn.explain``, and the command ``wrn explain``."""

from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import Any, TypedDict, cast

import numpy as np
from typing_extensions import Unpack

from wrn.data.images import ImageLike, find_images
from wrn.inference.explained_images import ExplainedClass, ExplainedImage, ImageExplainer
from wrn.inference.explanations import check_grad_cam
from wrn.inference.predictor import Predictor
from wrn.jobs.keywords import check_names
from wrn.jobs.loading import WeightsOptions, load_model, make_read_options
from wrn.jobs.predict import make_records
from wrn.zoo.resolve import ModelLike
from wrn_base.commands.explain import METHODS
from wrn_base.errors import WrnError, check_choice, check_whole
from wrn_base.options import DEFAULT_WORKERS

_BACKENDS = ('eager', 'fused')


class Explanation(TypedDict, total=False):
    """The result of :func:`explain` for an image. Only the keys that apply to it are present."""

    img_path: str
    """The path or URL of the image."""
    error: str
    """Why the image could not be read. There are no results then."""
    pixels: np.ndarray
    """The image as the network sees it, after the config's test pipeline, ``(H, W, 3)``, RGB."""
    explanations: list[ExplainedClass]
    """The explained classes, in the order in which they were asked for."""


def explain(
    images: ImageLike | Sequence[ImageLike],
    model: ModelLike,
    checkpoint: str | PathLike[str] | None = None,
    *,
    method: str = 'gradcam',
    classes: str | int | Sequence[str | int] = (),
    layer: str | None = None,
    device: str | None = None,
    batch_size: int = 32,
    workers: int = DEFAULT_WORKERS,
    backend: str = 'eager',
    precision: str = 'float32',
    channel_order: str | None = None,
    **weights: Unpack[WeightsOptions],
) -> Iterator[Explanation]:
    """Compute where in images the scores of classes come from.

    The model is loaded by the call, and the images are explained as the results are asked for, in
    memory that does not grow with their number.

    Args:
        images: As for :func:`wrn.predict`.
        model: What :func:`wrn.zoo.resolve.resolve` takes, except for exported files.
        checkpoint: The path or URL of weights. Defaults to None, the model's own.
        method: ``'gradcam'``, ``'hirescam'`` or ``'eigencam'``, see
            :class:`wrn.inference.Explainer`. Defaults to ``'gradcam'``.
        classes: The name or index of the class to explain, or several. A text is looked up among
            the names first. Defaults to the most probable class of each image.
        layer: The name of the layer whose output is explained, such as ``'layer3'``. Defaults to
            None: the last one with a feature map, see :class:`wrn.inference.Explainer`.
        device: As for :func:`wrn.predict`. Defaults to None.
        batch_size: The number of images to run at a time. Defaults to 32.
        workers: As for :func:`wrn.predict`.
        backend: ``'eager'`` or ``'fused'``. Defaults to ``'eager'``.
        precision: The precision of the computation. Defaults to ``'float32'``.
        channel_order: The channel order of arrays, as for :func:`wrn.inference_model`.
        **weights: What to take from the file of weights, see
            :class:`wrn.jobs.loading.WeightsOptions`.

    Returns:
        The results, in the order of the images: ``pixels`` and ``explanations``, each with
        ``pred_label``, ``pred_class``, ``pred_score`` (the probability), ``raw_map`` ``(h, w)``,
        ``overlay`` ``(H, W, 3)`` and ``is_blank``; or ``error`` if the image cannot be read.

    Raises:
        WrnError: If the model or an option is wrong, or ``grad-cam`` is not installed.
    """
    check_names(explain, weights, WeightsOptions)
    check_explaining(method, backend)
    check_whole('batch_size', batch_size, 1)
    check_whole('workers', workers, 0)
    network = load_model(
        model, checkpoint, device, make_read_options(weights), backend=backend,
        precision=precision, batch_size=batch_size,
    )  # fmt: skip
    wanted = [classes] if isinstance(classes, str | int) else classes
    predictor = Predictor(network, channel_order=channel_order)
    explainer = ImageExplainer(predictor, method, layer, wanted)
    return explain_images(explainer, find_images(images), batch_size, workers)


def check_explaining(method: str, backend: str) -> None:
    """Check options before a model is loaded.

    Args:
        method: The method.
        backend: The backend.

    Raises:
        WrnError: If the method is unknown, the backend has no gradients, or grad-cam is not
            installed.
    """
    check_grad_cam()
    check_choice('--method', method, METHODS)
    if backend not in _BACKENDS:
        raise WrnError(
            f'--backend {backend}: heat maps need layers and gradients, which frozen graphs do not '
            f'have; use {" or ".join(_BACKENDS)}'
        )


def explain_images(
    explainer: ImageExplainer, images: Iterable[ImageLike], batch_size: int, workers: int
) -> Iterator[Explanation]:
    """Explain images with an explainer.

    Args:
        explainer: The explainer.
        images: Single images, as :func:`wrn.data.images.find_images` yields them.
        batch_size: As for :func:`explain`.
        workers: As for :func:`explain`.

    Yields:
        As for :func:`explain`.
    """

    def stream(images: Iterable[ImageLike]) -> Iterable[Any]:
        return explainer.stream(images, batch_size, workers)

    def describe(image: ExplainedImage) -> Any:
        return Explanation(pixels=image.pixels, explanations=image.explanations)

    yield from cast(Iterator[Explanation], make_records(images, stream, describe))
