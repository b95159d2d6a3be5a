"""Classify images with a model."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from os import PathLike
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmpretrain import ImageClassificationInferencer
from mmpretrain.structures import DataSample
from torch import Tensor

from wrn.config.config_errors import config_errors
from wrn.data.images import (
    ImageLike,
    Preprocessing,
    collate,
    find_images,
    in_background,
    prefetch,
    read_image,
)
from wrn.deploy.classifier import get_own_config, original_model
from wrn.inference.input_checks import InputChecks, check_outputs
from wrn.inference.preprocessed import Meta, PreprocessedImage, preprocess_image
from wrn.results.record import Record, describe
from wrn.utils.memory import batch_errors
from wrn_base.errors import ImageReadError, WrnError


class Predictor(ImageClassificationInferencer):
    """Classify images with one model.

    An inferencer of mmpretrain that takes all inputs of :func:`wrn.data.images.find_images`. Each
    result names its file, and there is no progress bar. Images are read and preprocessed by the
    config's test pipeline.

    Args:
        model: A model with its config, such as one from :func:`wrn.get_model`. It may be compiled
            by :func:`torch.compile`, or in half precision.
        classes: The names of the classes. Defaults to None: those that came with the weights.
        channel_order: The channel order of arrays, ``'BGR'`` or ``'RGB'``. Defaults to None:
            ``'BGR'``, as in mmpretrain, with a warning for arrays of at most 32x32 pixels if the
            model was trained on RGB arrays, such as those of CIFAR-10. Files and PIL images know
            their order.

    Attributes:
        multi_label: Whether the head predicts any number of classes per image.

    Raises:
        WrnError: If the model has no config, a config whose preprocessing does not work, another
            number of classes or several tasks, or takes images of another number of channels than
            its config reads, or if ``channel_order`` is unknown.
    """

    def __init__(
        self,
        model: BaseModel,
        classes: Sequence[str] | None = None,
        channel_order: str | None = None,
    ) -> None:
        get_own_config(model)
        original = original_model(model)
        self.multi_label = check_outputs(original, classes)
        super().__init__(original, classes=classes)
        self.model = model
        self._checks = InputChecks(original, self.pipeline, channel_order)

    _computed = False  # whether a batch has shown that the config fits the network

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
        """Classify images.

        Args:
            inputs: What :func:`wrn.data.images.find_images` takes.
            return_datasamples: Whether to return mmpretrain's ``DataSample`` objects. Defaults to
                False.
            batch_size: The number of images to run at a time. Defaults to 1.
            workers: The number of threads that preprocess images ahead. Defaults to 0.
            topk: The number of classes to list under ``predictions``. Defaults to None: no such
                list, or only the classes that pass.
            **kwargs: ``show_dir`` and the other arguments of mmpretrain's ``visualize``.

        Returns:
            An :class:`wrn.inference.api.ImageResult` for each image, in order.

        Raises:
            ImageReadError: If an image cannot be read.
        """
        images = list(find_images(inputs))
        samples = []
        for sample in self.stream(images, batch_size, workers):
            if isinstance(sample, ImageReadError):
                raise sample
            samples.append(sample)
        if kwargs:
            # mmpretrain names a drawing after the path, and expects arrays to be RGB.
            drawn = [
                str(image)
                if isinstance(image, str | PathLike)
                else read_image(image, channel_order=self._checks.channel_order)[..., ::-1]
                for image in images
            ]
            self.visualize(drawn, samples, **kwargs)
        if return_datasamples:
            return samples
        results = self.postprocess(samples, visualization=None)
        for result, sample in zip(results, samples, strict=True):
            if 'img_path' in sample:
                result['img_path'] = sample.img_path
            if topk or self.multi_label:
                result |= self.describe(sample, topk or 1)
        return results

    def describe(self, sample: DataSample, topk: int) -> Record:
        """Return the best classes, and all that pass if the head is multi-label."""
        labels = sample.pred_label if self.multi_label else None
        return describe(sample.pred_score, labels, self.classes, topk)

    def stream(
        self, images: Iterable[ImageLike | PreprocessedImage], batch_size: int = 1, workers: int = 0
    ) -> Iterator[DataSample | ImageReadError]:
        """Classify images one batch after the other, in memory that does not grow.

        Args:
            images: Single images, as :func:`wrn.data.images.find_images` yields them.
            batch_size: The number of images to run at a time. Defaults to 1.
            workers: The number of threads that preprocess images while the network runs. Defaults
                to 0: preprocessing and network alternate.

        Yields:
            The prediction for each image, in order, or the error if it cannot be read.
        """
        for meta, sample in self.run(self.classify, images, batch_size, workers):
            if isinstance(meta, ImageReadError):
                yield meta
                continue
            for key, value in meta.items():
                sample.set_field(value, key, field_type='metainfo')
            yield sample

    def classify(self, batch: Tensor) -> list[DataSample]:
        """Classify normalized images.

        Args:
            batch: The images, ``(N, C, H, W)``.

        Returns:
            The prediction for each, with probabilities in float32: numpy has no bfloat16.
        """
        samples = self.model(batch, [DataSample() for _ in batch], mode='predict')
        return [sample.set_pred_score(sample.pred_score.float()) for sample in samples]

    def run(
        self,
        compute: Callable[[Tensor], list[Any]],
        images: Iterable[ImageLike | PreprocessedImage],
        batch_size: int = 1,
        workers: int = 0,
    ) -> Iterator[tuple[Meta | ImageReadError, Any]]:
        """Run a function of the model on images, one batch after the other.

        Args:
            compute: Returns a result for each of ``N`` normalized images, ``(N, C, H, W)``.
            images: As for :meth:`stream`.
            batch_size: As for :meth:`stream`. Defaults to 1.
            workers: As for :meth:`stream`. Defaults to 0.

        Yields:
            For each image, in order, its ``img_path`` and shapes, and its result. If the image
            cannot be read, the error and None.
        """
        batches = self.batches(images, batch_size, workers)
        computed: Iterator[tuple[list[Meta | ImageReadError], list[Any]]] = (
            (items, self._compute(compute, inputs, batch_size)) for inputs, items in batches
        )
        # torch has a thread pool for each thread that calls it. Together these would have more
        # threads than there are cores.
        if workers and getattr(self.model, 'own_threads', False):
            computed = in_background(computed)
        for items, results in computed:
            remaining = iter(results)
            for item in items:
                yield item, None if isinstance(item, ImageReadError) else next(remaining)

    def batches(
        self, images: Iterable[ImageLike | PreprocessedImage], batch_size: int = 1, workers: int = 0
    ) -> Iterator[tuple[list[Tensor], list[Meta | ImageReadError]]]:
        """Preprocess images and collate them into batches.

        Args:
            images: As for :meth:`stream`.
            batch_size: The number of images in a batch. Defaults to 1.
            workers: As for :meth:`stream`. Defaults to 0.

        Yields:
            For each batch, two lists. The first has a normalized tensor ``(N, C, H, W)`` for each
            run of readable images of one size. The second has for each image its ``img_path`` and
            shapes, or the error if it cannot be read.
        """
        if batch_size < 1 or workers < 0:
            given = f'not {batch_size}, and workers at least 0, not {workers}'
            raise WrnError(f'batch_size must be at least 1, {given}')
        preprocessed = prefetch(self.preprocess, images, workers, 2 * max(batch_size, workers))
        parts = iter(lambda: list(islice(preprocessed, batch_size)), [])
        batches = (self._collate(part, batch_size) for part in parts)
        return in_background(batches) if workers else batches

    def preprocess(self, image: ImageLike | PreprocessedImage) -> PreprocessedImage:
        """Read and preprocess an image, unless it already is.

        :meth:`stream`, :meth:`run` and :meth:`batches` take the result in place of the image, so
        that a caller may do this elsewhere and ahead.

        Args:
            image: As for :meth:`stream`.
        """
        if isinstance(image, PreprocessedImage):
            return image
        return preprocess_image(self._checks.check_order(image), self.pipeline, self._checks)

    def _compute(
        self, compute: Callable[[Tensor], list[Any]], inputs: Iterable[Tensor], batch_size: int
    ) -> list[Any]:
        results: list[Any] = []
        name = get_own_config(self.model).filename
        for batch in inputs:
            errors = config_errors(name, unless=lambda: self._computed)
            with errors, batch_errors(batch_size), torch.no_grad():
                results += compute(batch)
            self._computed = True
        return results

    def _collate(
        self, items: list[PreprocessedImage], batch_size: int
    ) -> tuple[list[Tensor], list[Meta | ImageReadError]]:
        readable = [pixels for pixels, _ in items if pixels is not None]
        runs = (list(run) for _, run in groupby(readable, lambda pixels: pixels.shape))
        normalize = self.model.data_preprocessor
        weights = (p.dtype for p in self.model.parameters() if p.is_floating_point())
        dtype = next(weights, torch.float32)  # an engine has none here
        with batch_errors(batch_size):
            inputs = [normalize(dict(inputs=collate(run)))['inputs'].to(dtype) for run in runs]
        return inputs, [meta for _, meta in items]
