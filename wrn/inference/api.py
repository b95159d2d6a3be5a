"""Build a model and run it on images in one call."""

import inspect
from collections.abc import Sequence
from functools import lru_cache
from os import PathLike
from typing import Any, TypedDict

import mmpretrain
import numpy as np
import torch
from mmengine.device import get_device
from mmengine.model import BaseModel

from wrn.data.images import ImageLike, find_images, is_many
from wrn.deploy.classifier import deploy, is_model
from wrn.inference.features import STAGES, FeatureExtractor, check_same_size
from wrn.inference.predictor import Predictor
from wrn.results.record import Prediction
from wrn.zoo.factory import get_model
from wrn.zoo.resolve import ModelLike, is_name
from wrn_base.errors import ImageReadError, WrnError, did_you_mean


class _Scores(TypedDict):
    pred_scores: np.ndarray
    pred_label: int
    pred_score: float


class ImageResult(_Scores, total=False):
    """The result of :func:`inference_model` for an image.

    Attributes:
        pred_scores: The probability of each class, ``(num_classes,)``, float32.
        pred_label: The index of the most probable class.
        pred_score: Its probability.
        pred_class: Its name, if the names are known.
        img_path: The path or URL of the image, if it has one.
        pred_labels: The indices of the classes that pass a multi-label head's threshold.
        pred_classes: Their names, if the names are known.
        predictions: The ``topk`` most probable classes, the best first, if ``topk`` was given.
    """

    pred_class: str
    img_path: str
    pred_labels: list[int]
    pred_classes: list[str]
    predictions: list[Prediction]


def inference_model(
    model: ModelLike,
    inputs: ImageLike | Sequence[ImageLike],
    pretrained: bool | str | PathLike[str] = True,
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
    channel_order: str | None = None,
    key: str | None = None,
    prefix: str | None = None,
    data_preprocessor: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Classify images with a model, as :func:`mmpretrain.inference_model` does.

    Args:
        model: What :func:`wrn.zoo.resolve.resolve` takes: the name of a model, a model, a config,
            the path of a config, a file of weights or an exported file. The last named models stay
            in memory, so a name that is used again does not build the model again. A model may be
            compiled by :func:`torch.compile`, or in half precision. A model of another task is
            passed to :func:`mmpretrain.inference_model`, with the inputs and ``kwargs``.
        inputs: A path, URL, array, PIL image, folder, glob pattern, ``.txt`` list, ``.tar``
            archive, or a sequence of these.
        pretrained: As for :func:`wrn.get_model`. Defaults to True. A built model takes none.
        device: The device. Defaults to None: the accelerator if there is one, or the device of the
            given model.
        classes: The names of the classes. Defaults to None: those that came with the weights.
        backend: As for :func:`wrn.get_model`. Defaults to ``'eager'``. For a built model, each call
            builds the engine. For many calls, take a model with an engine from
            :func:`wrn.get_model`.
        precision: As for :func:`wrn.get_model`. Defaults to ``'float32'``.
        calibration: Images to calibrate ``precision='int8'`` with. Defaults to None.
        topk: The number of classes to list under ``predictions``, the best first. Defaults to
            None: no such list.
        batch_size: The number of images to run at a time. Defaults to 1.
        workers: The number of threads that preprocess images ahead. Defaults to 0.
        return_datasamples: Whether to return mmpretrain's ``DataSample`` objects. Defaults to
            False.
        channel_order: The channel order of arrays, ``'BGR'`` or ``'RGB'``. Defaults to None:
            ``'BGR'``, as in mmpretrain. A :class:`wrn_base.errors.ChannelOrderWarning` says so if
            the model was trained on RGB arrays of such a size.
        key: As for :func:`wrn.get_model`. Defaults to None.
        prefix: As for :func:`wrn.get_model`. Defaults to None.
        data_preprocessor: Options to merge into that of the config, such as ``dict(mean=[0, 0, 0],
            std=[255, 255, 255])``. Defaults to None.
        **kwargs: ``show_dir`` and the other arguments of mmpretrain's ``visualize``; for a model of
            another task, the arguments of its inferencer.

    Returns:
        The :class:`ImageResult` of a single image. A list of them if the inputs are a folder,
        pattern, list, archive or sequence.

    Raises:
        WrnError: If the model or an image is not found or cannot be read, or a built model is given
            with weights.
        TypeError: If an argument is unknown.
    """
    engine: dict[str, Any] = dict(backend=backend, precision=precision, batch_size=batch_size)
    weights = _get_weights_options(model, pretrained, key, prefix, data_preprocessor)
    if is_model(model):
        network = model if device is None else model.to(device)
        network = deploy(network, calibration=calibration, **engine)
    elif (
        isinstance(model, str)
        and is_name(model)
        and isinstance(pretrained, bool)
        and calibration is None
        and not weights
    ):
        device = str(device or get_device())
        network = _get_named_model(model.lower(), pretrained, device, **engine)
    else:
        device = device or get_device()
        engine |= weights
        network = get_model(model, pretrained, device, calibration=calibration, **engine)
    entry = getattr(network, '_metainfo', None)
    if entry and 'Image Classification' not in {result.task for result in entry.results or ()}:
        return mmpretrain.inference_model(
            network, inputs, return_datasamples=return_datasamples, batch_size=batch_size, **kwargs
        )
    known = {*inspect.signature(inference_model).parameters, *Predictor.visualize_kwargs}
    if unknown := kwargs.keys() - known:
        name = min(unknown)
        raise TypeError(f"inference_model: unknown argument '{name}'{did_you_mean(name, known)}")
    results = Predictor(network, classes, channel_order)(
        inputs, return_datasamples, batch_size, workers, topk, **kwargs
    )
    return results if is_many(inputs) else results[0]


def _get_weights_options(
    model: ModelLike,
    pretrained: bool | str | PathLike[str],
    key: str | None,
    prefix: str | None,
    data_preprocessor: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the arguments of ``get_model`` that are not None. A built model takes none."""
    given = dict(key=key, prefix=prefix, data_preprocessor=data_preprocessor)
    options = {name: value for name, value in given.items() if value is not None}
    if is_model(model) and (options or not isinstance(pretrained, bool)):
        name = min(options, default='pretrained')
        raise WrnError(f'{name}: has no effect on a built model; give it to get_model')
    return options


@lru_cache(maxsize=2)
def _get_named_model(name: str, pretrained: bool, device: str, **engine: Any) -> BaseModel:
    return get_model(name, pretrained, device, **engine)


def extract_features(
    model: ModelLike,
    inputs: ImageLike | Sequence[ImageLike],
    stages: Sequence[str] = STAGES,
    pool: bool = False,
    pretrained: bool | str | PathLike[str] = True,
    device: str | torch.device | None = None,
    backend: str = 'eager',
    precision: str = 'float32',
    batch_size: int = 1,
    workers: int = 0,
    calibration: ImageLike | Sequence[ImageLike] | None = None,
    channel_order: str | None = None,
    key: str | None = None,
    prefix: str | None = None,
    data_preprocessor: dict[str, Any] | None = None,
) -> dict[str, np.ndarray]:
    """Compute the features that stages of a network have for images.

    All features are in memory at once. If they do not fit, use ``wrn features``, which writes them
    to a file, or :meth:`wrn.inference.FeatureExtractor.stream`.

    Args:
        model: As for :func:`inference_model`, except that exported files have no stages, and that
            a compiled model runs as before :func:`torch.compile`.
        inputs: A path, URL, array, PIL image, folder, glob pattern, ``.txt`` list, ``.tar``
            archive, or a sequence of these.
        stages: The names of the stages, such as ``layer1``. Defaults to ``('layer2', 'layer3')``.
        pool: Whether to average over height and width. Defaults to False.
        pretrained: As for :func:`wrn.get_model`. Defaults to True. A built model takes none.
        device: The device. Defaults to None: the accelerator if there is one, or the device of the
            given model.
        backend: As for :func:`wrn.get_model`. Defaults to ``'eager'``.
        precision: As for :func:`wrn.get_model`. Defaults to ``'float32'``.
        batch_size: The number of images to run at a time. Defaults to 1.
        workers: The number of threads that preprocess images ahead. Defaults to 0.
        calibration: Images to calibrate ``precision='int8'`` with. Defaults to None.
        channel_order: As for :func:`inference_model`. Defaults to None.
        key: As for :func:`wrn.get_model`. Defaults to None.
        prefix: As for :func:`wrn.get_model`. Defaults to None.
        data_preprocessor: As for :func:`inference_model`. Defaults to None.

    Returns:
        The features by stage, float32, in the order of the images: ``(N, C)`` if pooled, else
        ``(N, C, H, W)``. ``N`` is 1 for a single image.

    Raises:
        WrnError: If the model, a stage or the backend is unavailable, or if the sizes of the
            features differ.
        ImageReadError: If an image cannot be read.
    """
    weights = _get_weights_options(model, pretrained, key, prefix, data_preprocessor)
    if is_model(model):
        network = model if device is None else model.to(device)
    else:
        device = device or get_device()
        network = get_model(model, pretrained, device, head=None, neck=None, **weights)
    engine: dict[str, Any] = dict(backend=backend, precision=precision, batch_size=batch_size)
    engine.update(calibration=calibration, channel_order=channel_order)
    extractor = FeatureExtractor(network, stages, pool, **engine)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in extractor.stages}
    for features in check_same_size(extractor.stream(find_images(inputs), batch_size, workers)):
        if isinstance(features, ImageReadError):
            raise features
        for name, values in features.stages.items():
            rows[name].append(values)
    return {name: np.stack(values) for name, values in rows.items()}
