"""Pictures in, predictions out."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby, islice
from os import PathLike
from typing import Any, NamedTuple, TypeAlias, TypedDict

import mmpretrain
import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmpretrain import ImageClassificationInferencer
from mmpretrain.structures import DataSample
from torch import Tensor

from wrn.data.images import (
    EncodedImage,
    ImageLike,
    Preprocessing,
    collate,
    find_images,
    in_background,
    is_many,
    prefetch,
    read_image,
)
from wrn.deploy.classifier import deploy, get_num_classes, get_own_config
from wrn.results.record import Prediction, best_classes
from wrn.utils.errors import ImageReadError, WrnError, did_you_mean
from wrn.zoo.factory import get_model
from wrn.zoo.resolve import ModelLike, is_name

_Prepared: TypeAlias = tuple[np.ndarray, dict[str, Any]]


class _Scores(TypedDict):
    pred_scores: np.ndarray
    pred_label: int
    pred_score: float


class ImageResult(_Scores, total=False):
    """What :func:`inference_model` returns for an image.

    Attributes:
        pred_scores: The probability of each class, ``(num_classes,)``, float32.
        pred_label: The index of the best class.
        pred_score: Its probability.
        pred_class: Its name, if the names are known.
        img_path: Where the image was read from, if it was read from a file or URL.
        predictions: The ``topk`` best classes, each with ``pred_label``, ``pred_score`` and, if it
            is known, ``pred_class``; if ``topk`` was given.
    """

    pred_class: str
    img_path: str
    predictions: list[Prediction]


class Batch(NamedTuple):
    """Pictures to run at a time."""

    inputs: list[Tensor]
    """Those that could be read, normalised: of each run of pictures of a size ``(N, C, H, W)``."""
    pictures: list[dict[str, Any] | ImageReadError]
    """Of each, in order, ``img_path`` and its shapes, or the error if it cannot be read."""


class Predictor(ImageClassificationInferencer):
    """Classify pictures with one model.

    mmpretrain's inferencer, except that it takes every kind of picture that :func:`read_image`
    does, walks nested folders, names the file in each result, and shows no progress bar. Pictures
    are prepared by the config's test pipeline without its ``LoadImageFromFile``.

    Args:
        model: The model; it must know its config, as those of :func:`wrn.get_model` do.
        classes: The names of the classes. Defaults to None, those that came with the weights.

    Raises:
        WrnError: If the model does not know its config, or has another number of classes.
    """

    def __init__(self, model: BaseModel, classes: Sequence[str] | None = None) -> None:
        get_own_config(model)
        number = get_num_classes(model)
        if classes is not None and number not in (None, len(classes)):
            raise WrnError(f'classes: has {len(classes)} names, but the model has {number} classes')
        super().__init__(model, classes=classes)

    def _init_pipeline(self, cfg: Config) -> Preprocessing:
        return Preprocessing(cfg)

    def __call__(
        self,
        inputs: ImageLike | Sequence[ImageLike],
        return_datasamples: bool = False,
        batch_size: int = 1,
        workers: int = 0,
        topk: int | None = None,
        **kwargs: Any,
    ) -> list[Any]:
        """Classify pictures.

        Args:
            inputs: What :func:`find_images` takes.
            return_datasamples: Whether to return mmpretrain's ``DataSample`` objects. Defaults to
                False.
            batch_size: How many pictures to run at a time. Defaults to 1.
            workers: How many threads prepare pictures ahead. Defaults to 0.
            topk: How many classes to list under ``predictions``. Defaults to None: no such list.
            **kwargs: ``show_dir`` and the other arguments of mmpretrain's ``visualize``.

        Returns:
            The :class:`ImageResult` of each picture, in order.

        Raises:
            ImageReadError: If a picture cannot be read.
        """
        pictures = list(find_images(inputs))
        samples = []
        for sample in self.stream(pictures, batch_size, workers):
            if isinstance(sample, ImageReadError):
                raise sample
            samples.append(sample)
        visualization = self.visualize(pictures, samples, **kwargs)
        results = self.postprocess(samples, visualization, return_datasamples)
        if topk and not return_datasamples:
            for result, sample in zip(results, samples, strict=True):
                result['predictions'] = best_classes(sample.pred_score, self.classes, topk)
        return results

    def stream(
        self, pictures: Iterable[ImageLike], batch_size: int = 1, workers: int = 0
    ) -> Iterator[DataSample | ImageReadError]:
        """Classify pictures one batch after the other.

        Args:
            pictures: Single pictures.
            batch_size: How many pictures to run at a time. Defaults to 1.
            workers: How many threads prepare pictures while the network runs. Defaults to 0: they
                are prepared in between.

        Yields:
            For each picture, in order, its prediction, or the error if it cannot be read.
        """
        batches = self.batches(pictures, batch_size, workers)
        predicted: Iterator[tuple[list[Any], list[DataSample]]] = (
            (batch.pictures, self.predict(batch.inputs)) for batch in batches
        )
        # torch has threads for each thread that calls it, more than there are cores if two do.
        if workers and getattr(self.model, 'own_threads', False):
            predicted = in_background(predicted)
        for items, predictions in predicted:
            following = iter(predictions)
            for item in items:
                if isinstance(item, ImageReadError):
                    yield item
                    continue
                sample = next(following)
                for key, value in item.items():
                    sample.set_field(value, key, field_type='metainfo')
                yield sample

    def batches(
        self, pictures: Iterable[ImageLike], batch_size: int = 1, workers: int = 0
    ) -> Iterator[Batch]:
        """Prepare pictures, and put them together in batches.

        Args:
            pictures: Single pictures.
            batch_size: How many pictures a batch has. Defaults to 1.
            workers: As for :meth:`stream`. Defaults to 0.

        Yields:
            The batches, in order.
        """
        if batch_size < 1 or workers < 0:
            raise WrnError(
                f'batch_size must be at least 1, not {batch_size}, and workers at least 0, not '
                f'{workers}'
            )
        prepared = prefetch(self._prepare, pictures, workers, 2 * max(batch_size, workers))
        parts = iter(lambda: list(islice(prepared, batch_size)), [])
        batches = map(self._assemble, parts)
        return in_background(batches) if workers else batches

    def predict(self, inputs: Iterable[Tensor]) -> list[DataSample]:
        """Run the network on normalised pictures, ``(N, C, H, W)``; return a prediction of each."""
        predictions: list[DataSample] = []
        for batch in inputs:
            samples = [DataSample() for _ in batch]
            try:
                with torch.no_grad():
                    predictions += self.model(batch, samples, mode='predict')
            except torch.OutOfMemoryError as error:
                raise WrnError(
                    f'{len(batch)} pictures do not fit into the memory of the device at a time; '
                    'make the batch size smaller'
                ) from error
        return predictions

    def _assemble(self, prepared: list[_Prepared | ImageReadError]) -> Batch:
        readable = [item[0] for item in prepared if not isinstance(item, ImageReadError)]
        normalize = self.model.data_preprocessor
        return Batch(
            [
                normalize(dict(inputs=collate(list(run))))['inputs']
                for _, run in groupby(readable, lambda pixels: pixels.shape)
            ],
            [item if isinstance(item, ImageReadError) else item[1] for item in prepared],
        )

    def _prepare(self, picture: ImageLike) -> _Prepared | ImageReadError:
        try:
            pixels = read_image(picture)
            prepared = self.pipeline(pixels)
        except ImageReadError as error:
            return error
        except Exception as error:  # a picture that is damaged or odd must not end all others
            name = str(picture) if isinstance(picture, str | PathLike | EncodedImage) else 'picture'
            return ImageReadError(f'{name}: cannot be prepared ({error!r})')
        meta: dict[str, Any] = dict(ori_shape=pixels.shape[:2], img_shape=prepared.shape[:2])
        if isinstance(picture, str | PathLike | EncodedImage):
            meta['img_path'] = str(picture)
        return prepared, meta

    def visualize(self, ori_inputs: list[ImageLike], preds: list[DataSample], **kwargs: Any) -> Any:
        """Draw predictions on pictures as mmpretrain does, if ``show`` or ``show_dir`` is given."""
        if not kwargs:
            return None
        # It names a drawing after the path, and takes an array to be red, green, blue.
        drawn = [
            str(item) if isinstance(item, str | PathLike) else read_image(item)[..., ::-1]
            for item in ori_inputs
        ]
        return super().visualize(drawn, preds, **kwargs)

    def postprocess(
        self, preds: list[DataSample], visualization: Any = None, return_datasamples: bool = False
    ) -> list[Any]:
        """Turn predictions into the dicts that :meth:`__call__` returns."""
        results = super().postprocess(preds, visualization, return_datasamples)
        if not return_datasamples:
            for result, sample in zip(results, preds, strict=True):
                if 'img_path' in sample:
                    result['img_path'] = sample.img_path
        return results


def inference_model(
    model: ModelLike,
    inputs: ImageLike | Sequence[ImageLike],
    pretrained: bool | str | PathLike = True,
    device: str | torch.device | None = None,
    classes: Sequence[str] | None = None,
    backend: str = 'eager',
    precision: str = 'float32',
    calibration: ImageLike | Sequence[ImageLike] | None = None,
    *,
    topk: int | None = None,
    batch_size: int = 1,
    workers: int = 0,
    return_datasamples: bool = False,
    **kwargs: Any,
) -> Any:
    """Classify images with a model, as :func:`mmpretrain.inference_model` does.

    Args:
        model: What :func:`wrn.zoo.resolve.resolve` takes: the name of a model, a model, a config,
            the path of a config, or a file of weights or an exported file. A model that is named
            again, with its own weights, is not built again. One of another task goes to
            :func:`mmpretrain.inference_model`, with the inputs and ``kwargs``.
        inputs: A path, URL, array, PIL image, folder, glob pattern, or a sequence of these.
        pretrained: As for :func:`wrn.get_model`. Defaults to True. Of no effect on a built model.
        device: Where to run. Defaults to None: the accelerator if there is one, or where the
            given model is.
        classes: The names of the classes. Defaults to None: those that came with the weights.
        backend: What runs the network, as for :func:`wrn.get_model`. Defaults to ``'eager'``. For
            a built model the engine is built at each call; for many calls, take a model with an
            engine from :func:`wrn.get_model`.
        precision: What the backend computes in, as for :func:`wrn.get_model`. Defaults to
            ``'float32'``.
        calibration: Images to calibrate ``precision='int8'`` with. Defaults to None.
        topk: How many classes to list under ``predictions``, the best first. Defaults to None: no
            such list.
        batch_size: How many images to run at a time. Defaults to 1.
        workers: How many threads decode images ahead. Defaults to 0.
        return_datasamples: Whether to return mmpretrain's ``DataSample`` objects. Defaults to
            False.
        **kwargs: ``show_dir`` and the other arguments of mmpretrain's ``visualize``; for a model of
            another task, the arguments of its inferencer.

    Returns:
        The :class:`ImageResult` of a single image, or a list of them if the inputs are a folder, a
        pattern or a sequence.

    Raises:
        WrnError: If the model or an image is not found or cannot be read.
        TypeError: If an argument is unknown.
    """
    network = _get_network(
        model,
        pretrained,
        device,
        calibration,
        backend=backend,
        precision=precision,
        batch_size=batch_size,
    )
    entry = getattr(network, '_metainfo', None)
    if entry and 'Image Classification' not in {result.task for result in entry.results or ()}:
        return mmpretrain.inference_model(
            network, inputs, return_datasamples=return_datasamples, batch_size=batch_size, **kwargs
        )
    known = {*Predictor.visualize_kwargs, 'topk', 'batch_size', 'workers', 'return_datasamples'}
    if unknown := kwargs.keys() - known:
        name = min(unknown)
        raise TypeError(f"inference_model: unknown argument '{name}'{did_you_mean(name, known)}")
    results = Predictor(network, classes)(
        inputs, return_datasamples, batch_size, workers, topk, **kwargs
    )
    return results if is_many(inputs) else results[0]


def _get_network(
    model: ModelLike,
    pretrained: bool | str | PathLike,
    device: str | torch.device | None,
    calibration: ImageLike | Sequence[ImageLike] | None,
    **engine: Any,
) -> BaseModel:
    if isinstance(model, BaseModel):
        network = model if device is None else model.to(device)
        return deploy(network, calibration=calibration, **engine)
    device = device or get_device()
    if (
        isinstance(model, str)
        and is_name(model)
        and isinstance(pretrained, bool)
        and calibration is None
    ):
        return _get_named_model(model.lower(), pretrained, str(device), **engine)
    return get_model(model, pretrained, device, calibration=calibration, **engine)


@lru_cache(maxsize=2)
def _get_named_model(name: str, pretrained: bool, device: str, **engine: Any) -> BaseModel:
    return get_model(name, pretrained, device, **engine)
