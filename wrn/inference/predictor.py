"""Pictures in, predictions out."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from os import PathLike
from typing import Any

import mmpretrain
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmpretrain import ImageClassificationInferencer
from mmpretrain.datasets import remove_transform
from mmpretrain.registry import TRANSFORMS
from mmpretrain.structures import DataSample

from wrn.config import CONFIG_SUFFIXES, get_test_dataset
from wrn.errors import PictureError, WrnError
from wrn.hub import get_model, get_num_classes
from wrn.inference.pictures import Picture, find_pictures, is_many, read_picture
from wrn.model_files import is_model_file


class Predictor(ImageClassificationInferencer):
    """Classify pictures with one model.

    mmpretrain's inferencer, except that it takes every kind of picture that :func:`read_picture`
    does, walks nested folders, names the file in each result, and shows no progress bar. Pictures
    are prepared by the config's test pipeline without its ``LoadImageFromFile``.

    Args:
        model: The model; it must know its config, as those of :func:`wrn.get_model` do.
        classes: The names of the classes. Defaults to None, those that came with the weights.

    Raises:
        WrnError: If the model does not know its config, or has another number of classes.
    """

    def __init__(self, model: BaseModel, classes: Sequence[str] | None = None) -> None:
        if not hasattr(model, '_config'):
            raise WrnError(
                'the model does not know how its pictures are prepared; set `model._config` to '
                'its Config (of a Runner, `runner.cfg`), or get the model from `wrn.get_model`'
            )
        number = get_num_classes(model)
        if classes is not None and number not in (None, len(classes)):
            raise WrnError(f'classes: has {len(classes)} names, but the model has {number} classes')
        super().__init__(model, classes=classes)

    def _init_pipeline(self, cfg: Config) -> Compose:
        pipeline = get_test_dataset(cfg).pipeline
        transforms = remove_transform(pipeline, 'LoadImageFromFile')
        # Data sets that hold pixels, such as CIFAR, have them as red, green, blue; what a pipeline
        # loads itself is blue, green, red, as what read_picture returns.
        self._red_first = len(transforms) == len(pipeline)
        return Compose([TRANSFORMS.build(transform) for transform in transforms])

    def __call__(
        self,
        inputs: Picture | Sequence[Picture],
        return_datasamples: bool = False,
        batch_size: int = 1,
        **kwargs: Any,
    ) -> list[Any]:
        """Classify pictures.

        Args:
            inputs: What :func:`find_pictures` takes.
            return_datasamples: Whether to return mmpretrain's ``DataSample`` objects. Defaults to
                False.
            batch_size: How many pictures to run at a time. Defaults to 1.
            **kwargs: ``show_dir`` and the other arguments of mmpretrain's ``visualize``.

        Returns:
            A dict for each picture, in order: ``pred_scores`` ``(num_classes,)``,
            ``pred_label``, ``pred_score``, ``pred_class`` if the classes are known, and
            ``img_path`` if it was read from one.

        Raises:
            PictureError: If a picture cannot be read.
        """
        pictures = find_pictures(inputs)
        samples = []
        for sample in self.stream(pictures, batch_size):
            if isinstance(sample, PictureError):
                raise sample
            samples.append(sample)
        visualization = self.visualize(pictures, samples, **kwargs)
        return self.postprocess(samples, visualization, return_datasamples)

    def stream(
        self, pictures: Iterable[Picture], batch_size: int = 1
    ) -> Iterator[DataSample | PictureError]:
        """Classify pictures one batch after the other.

        Args:
            pictures: Single pictures.
            batch_size: How many pictures to run at a time. Defaults to 1.

        Yields:
            For each picture, in order, its prediction, or the error if it cannot be read.
        """
        if batch_size < 1:
            raise WrnError(f'batch_size must be at least 1, not {batch_size}')
        pictures = iter(pictures)
        while batch := list(itertools.islice(pictures, batch_size)):
            inputs = [self._prepare(picture) for picture in batch]
            readable = [data for data in inputs if isinstance(data, dict)]
            samples = iter(self.forward(default_collate(readable)) if readable else ())
            for data in inputs:
                yield data if isinstance(data, PictureError) else next(samples)

    def _prepare(self, picture: Picture) -> dict[str, Any] | PictureError:
        try:
            pixels = read_picture(picture)
        except PictureError as error:
            return error
        if self._red_first:
            pixels = np.ascontiguousarray(pixels[..., ::-1])
        data = dict(img=pixels, img_shape=pixels.shape[:2], ori_shape=pixels.shape[:2])
        if isinstance(picture, str | PathLike):
            data['img_path'] = str(picture)
        return self.pipeline(data)

    def visualize(self, ori_inputs: list[Picture], preds: list[DataSample], **kwargs: Any) -> Any:
        """Draw predictions on pictures as mmpretrain does, if ``show`` or ``show_dir`` is given."""
        if not kwargs:
            return None
        # It names a drawing after the path, and takes an array to be red, green, blue.
        drawn = [
            str(item) if isinstance(item, str | PathLike) else read_picture(item)[..., ::-1]
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
    inputs: Picture | Sequence[Picture],
    pretrained: bool | str | PathLike = True,
    device: str | torch.device | None = None,
    classes: Sequence[str] | None = None,
    **kwargs: Any,
) -> Any:
    """Classify pictures with a model, as :func:`mmpretrain.inference_model` does.

    Args:
        model: The name of a model, a model, a config, or the path of a config or of weights that
            hold one. A model that is asked again by name, with its own weights, is not built
            again. One of another task goes to :func:`mmpretrain.inference_model`, with the inputs
            and ``kwargs``.
        inputs: A path, URL, array, PIL picture, folder, glob pattern, or a sequence of these.
        pretrained: As for :func:`wrn.get_model`. Defaults to True. Of no effect on a model.
        device: Where to run. Defaults to None: the accelerator if there is one, or where the
            given model is.
        classes: The names of the classes. Defaults to None, those that came with the weights.
        **kwargs: ``batch_size``, ``return_datasamples``, ``show_dir`` and the other arguments of
            :class:`Predictor`'s call.

    Returns:
        The result of a single picture, as of :class:`Predictor`, or a list of results if the
        inputs are a folder, a pattern or a sequence.

    Raises:
        WrnError: If the model or a picture cannot be had.
    """
    of_file = is_model_file(model) or str(model).endswith(CONFIG_SUFFIXES)
    named = isinstance(model, str) and not of_file
    if isinstance(model, BaseModel):
        model = model if device is None else model.to(device)
    elif named and isinstance(pretrained, bool):
        model = _get_named_model(str(model).lower(), pretrained, str(device or get_device()))
    else:
        model = get_model(model, pretrained, device or get_device())
    entry = getattr(model, '_metainfo', None)
    if entry and 'Image Classification' not in {result.task for result in entry.results or ()}:
        return mmpretrain.inference_model(model, inputs, **kwargs)
    results = Predictor(model, classes)(inputs, **kwargs)
    return results if is_many(inputs) else results[0]


@lru_cache(maxsize=2)
def _get_named_model(name: str, pretrained: bool, device: str) -> BaseModel:
    return get_model(name, pretrained, device)
