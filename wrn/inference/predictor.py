"""Pictures in, predictions out."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby, islice
from os import PathLike
from typing import Any, NamedTuple, TypeAlias

import mmpretrain
import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmpretrain import ImageClassificationInferencer
from mmpretrain.structures import DataSample
from torch import Tensor

from wrn.checkpoints.model_file import is_model_file
from wrn.config.config_file import CONFIG_SUFFIXES
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
from wrn.deploy.classifier import deploy, get_own_config
from wrn.deploy.export import is_exported
from wrn.utils.errors import ImageReadError, WrnError
from wrn.zoo.factory import get_model, get_num_classes

_Prepared: TypeAlias = tuple[np.ndarray, dict[str, Any]]


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
        **kwargs: Any,
    ) -> list[Any]:
        """Classify pictures.

        Args:
            inputs: What :func:`find_images` takes.
            return_datasamples: Whether to return mmpretrain's ``DataSample`` objects. Defaults to
                False.
            batch_size: How many pictures to run at a time. Defaults to 1.
            workers: How many threads prepare pictures ahead. Defaults to 0.
            **kwargs: ``show_dir`` and the other arguments of mmpretrain's ``visualize``.

        Returns:
            A dict for each picture, in order: ``pred_scores`` ``(num_classes,)``,
            ``pred_label``, ``pred_score``, ``pred_class`` if the classes are known, and
            ``img_path`` if it was read from one.

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
        return self.postprocess(samples, visualization, return_datasamples)

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
    model: str | PathLike | Config | BaseModel,
    inputs: ImageLike | Sequence[ImageLike],
    pretrained: bool | str | PathLike = True,
    device: str | torch.device | None = None,
    classes: Sequence[str] | None = None,
    backend: str = 'eager',
    precision: str = 'float32',
    calibration: ImageLike | Sequence[ImageLike] | None = None,
    **kwargs: Any,
) -> Any:
    """Classify pictures with a model, as :func:`mmpretrain.inference_model` does.

    Args:
        model: The name of a model, a model, a config, the path of a config or of weights that
            hold one, or a file that ``wrn export`` wrote. A model that is asked again by name, with
            its own weights, is not built again. One of another task goes to
            :func:`mmpretrain.inference_model`, with the inputs and ``kwargs``.
        inputs: A path, URL, array, PIL picture, folder, glob pattern, or a sequence of these.
        pretrained: As for :func:`wrn.get_model`. Defaults to True. Of no effect on a model.
        device: Where to run. Defaults to None: the accelerator if there is one, or where the
            given model is.
        classes: The names of the classes. Defaults to None, those that came with the weights.
        backend: What runs the network, as for :func:`wrn.get_model`. Defaults to ``'eager'``. An
            engine for a given model is built at each call; for many, take one from
            :func:`wrn.get_model`.
        precision: What it computes in, as for :func:`wrn.get_model`. Defaults to ``'float32'``.
        calibration: Pictures to calibrate ``precision='int8'`` with. Defaults to None.
        **kwargs: ``batch_size``, ``workers``, ``return_datasamples``, ``show_dir`` and the other
            arguments of :class:`Predictor`'s call.

    Returns:
        The result of a single picture, as of :class:`Predictor`, or a list of results if the
        inputs are a folder, a pattern or a sequence.

    Raises:
        WrnError: If the model or a picture cannot be had.
    """
    of_file = is_model_file(model) or is_exported(model) or str(model).endswith(CONFIG_SUFFIXES)
    named = isinstance(model, str) and not of_file
    engine: dict[str, Any] = dict(backend=backend, precision=precision)
    engine['batch_size'] = kwargs.get('batch_size', 1)
    if isinstance(model, BaseModel):
        model = model if device is None else model.to(device)
        model = deploy(model, calibration=calibration, **engine)
    elif named and isinstance(pretrained, bool) and calibration is None:
        model = _get_named_model(
            str(model).lower(), pretrained, str(device or get_device()), **engine
        )
    else:
        device = device or get_device()
        model = get_model(model, pretrained, device, calibration=calibration, **engine)
    entry = getattr(model, '_metainfo', None)
    if entry and 'Image Classification' not in {result.task for result in entry.results or ()}:
        return mmpretrain.inference_model(model, inputs, **kwargs)
    results = Predictor(model, classes)(inputs, **kwargs)
    return results if is_many(inputs) else results[0]


@lru_cache(maxsize=2)
def _get_named_model(name: str, pretrained: bool, device: str, **engine: Any) -> BaseModel:
    return get_model(name, pretrained, device, **engine)
