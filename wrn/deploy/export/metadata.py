"""The metadata of an exported file: how to make its input, and what its output means."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseModel
from torch import Tensor

from wrn.config.config_parts import get_test_dataset
from wrn.data.images import Preprocessing, is_red_first
from wrn.data.images.allowed_steps import MAX_SIDE, check_steps
from wrn.deploy.classifier import check_head, get_num_classes, get_own_config
from wrn_base.errors import WrnError, count

KEY = 'wrn'  # the key of the metadata in formats that have key-value pairs
METADATA_FILE = f'{KEY}.json'  # the name of the metadata in formats that have extra files
FORMAT = 1  # increase it if readers of the current one would misunderstand the next


class ExportError(WrnError):
    """A model cannot be exported, or an exported file cannot be used."""


@dataclass(frozen=True)
class Metadata:
    """The metadata of an exported file.

    Attributes:
        model: The name of the model.
        num_classes: The number of classes.
        classes: The names of the classes, in the order of the output; None if they are unknown.
        layout: The layout of the input: ``'NCHW'``, or ``'NHWC'`` if the file normalizes it.
        dtype: The type of the input: ``'float32'``, or ``'uint8'`` if the file normalizes it.
        channel_order: The channel order of the input, ``'RGB'`` or ``'BGR'``.
        size: The height and width of the input.
        mean: The mean of each channel of the input, for values from 0 to 255. ``float32`` inputs
            are ``(pixels - mean) / std``.
        std: The standard deviation of each channel of the input, for values from 0 to 255.
        softmax: Whether the output is probabilities, not logits.
        precision: The precision of the weights.
        pipeline: The steps of the config's test pipeline. They make images of ``size``.
    """

    model: str
    num_classes: int
    classes: list[str] | None
    layout: str
    dtype: str
    channel_order: str
    size: list[int]
    mean: list[float]
    std: list[float]
    softmax: bool
    precision: str
    pipeline: list[dict[str, Any]]

    @property
    def preprocess(self) -> bool:
        """Whether the file normalizes its input."""
        return self.dtype == 'uint8'

    def to_json(self) -> str:
        """Return the metadata as JSON, in ASCII."""
        return json.dumps({'format': FORMAT, **asdict(self)})

    def to_config(self, name: str) -> Config:
        """Make a config with this preprocessing.

        Args:
            name: The name of the file.

        Returns:
            The config, with ``data_preprocessor`` and ``test_dataloader``.
        """
        flips = (self.channel_order == 'RGB') != is_red_first(self.pipeline)
        preprocessor = dict(type='ClsDataPreprocessor', num_classes=self.num_classes, to_rgb=flips)
        if not self.preprocess:
            preprocessor.update(mean=self.mean, std=self.std)
        dataset = dict(type='CustomDataset', pipeline=self.pipeline)
        parts = dict(
            default_scope='mmpretrain',
            data_preprocessor=preprocessor,
            test_dataloader=dict(dataset=dataset),
        )
        return Config(parts, cfg_text=f'# of {name}', filename=name)


def describe_model(
    network: BaseModel, name: str, preprocess: bool, softmax: bool, precision: str
) -> Metadata:
    """Make the metadata of a file.

    Args:
        network: A classifier with its config, such as one from :func:`wrn.get_model`.
        name: The name of the model.
        preprocess: Whether the file normalizes its input.
        softmax: Whether the file returns probabilities.
        precision: The precision of the weights.

    Returns:
        The metadata.

    Raises:
        ExportError: If the model is not a classifier of 3-channel images.
        WrnError: If a step of the test pipeline is not allowed in a file, or the config is missing.
    """
    check_head(network)
    num_classes = get_num_classes(network)
    if num_classes is None:
        raise ExportError(f'{name}: has no head; export the model with its head')
    config = get_own_config(network)
    channels, *size = Preprocessing(config).example(1).shape[1:]  # first: it names a misspelling
    pipeline = [step.to_dict() for step in get_test_dataset(config).pipeline]
    check_steps(pipeline, name, 'remove the step from the test pipeline of the config')
    if channels != 3:
        raise ExportError(
            f'{name}: takes images with {count(channels, "channel")}; only 3 can be exported'
        )
    preprocessor = network.data_preprocessor
    mean, std = [0.0] * 3, [1.0] * 3
    if hasattr(preprocessor, 'mean'):
        mean, std = _shortest_decimals(preprocessor.mean), _shortest_decimals(preprocessor.std)
    order = 'BGR' if takes_bgr(network) else 'RGB'
    if preprocess and order == 'BGR':  # the file reverses the channels
        order, mean, std = 'RGB', mean[::-1], std[::-1]
    meta = getattr(network, '_dataset_meta', None) or {}
    classes = meta.get('classes')
    return Metadata(
        model=name,
        num_classes=num_classes,
        classes=[*map(str, classes)] if classes else None,
        layout='NHWC' if preprocess else 'NCHW',
        dtype='uint8' if preprocess else 'float32',
        channel_order=order,
        size=size,
        mean=mean,
        std=std,
        softmax=softmax,
        precision=precision,
        pipeline=pipeline,
    )


def read_metadata(text: str | None, name: str) -> Metadata:
    """Read and validate the metadata of a file.

    Args:
        text: The JSON; None if the file has none.
        name: The name of the file, for messages.

    Returns:
        The metadata.

    Raises:
        ExportError: If it is missing or invalid.
        WrnError: If a step of the test pipeline is not allowed in a file.
    """
    if text is None:
        raise ExportError(
            f'{name}: has no metadata about its preprocessing; export the model with `wrn export`'
        )
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f'{name}: the metadata is damaged ({error}); copy it again') from error
    version = values.pop('format', None) if isinstance(values, dict) else None
    if version != FORMAT:
        raise ExportError(
            f'{name}: the metadata has format {version!r}, but this version of the package reads '
            f'format {FORMAT}; export the model again, or update the package'
        )
    invalid = [key for key, valid in _FIELDS.items() if key not in values or not valid(values[key])]
    invalid += [key for key in values if key not in _FIELDS]
    if not invalid and (values['dtype'] == 'uint8') != (values['layout'] == 'NHWC'):
        invalid = ['layout']
    if not invalid and values['classes'] and len(values['classes']) != values['num_classes']:
        invalid = ['classes']
    if invalid:
        raise ExportError(
            f'{name}: the metadata is invalid at {", ".join(invalid)}; export the model again'
        )
    values['pipeline'] = [
        {key: tuple(value) if isinstance(value, list) else value for key, value in step.items()}
        for step in values['pipeline']
    ]
    check_steps(values['pipeline'], name, 'export the model again')
    return Metadata(**values)


def takes_bgr(network: BaseModel) -> bool:
    """Return whether the network, after its data preprocessor, takes BGR images."""
    pipeline = get_test_dataset(network._config).pipeline
    return network.data_preprocessor.to_rgb == is_red_first(pipeline)


def to_rgb(images: Tensor, pipeline: list[dict[str, Any]]) -> Tensor:
    """Convert images from the channel order of a pipeline to RGB, or back.

    Args:
        images: ``(N, H, W, 3)``.
        pipeline: The steps of the pipeline.

    Returns:
        The images, ``(N, H, W, 3)``.
    """
    return images if is_red_first(pipeline) else images.flip(-1)


def _shortest_decimals(values: Tensor) -> list[float]:
    """Convert float32 to the shortest decimals that read back the same, as in the config."""
    return [float(str(value)) for value in values.flatten().cpu().numpy()]


def _is_list(value: Any, valid: Callable[[Any], bool], length: int | None = None) -> bool:
    return isinstance(value, list) and length in (None, len(value)) and all(map(valid, value))


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_triple(value: Any) -> bool:
    return _is_list(value, lambda item: isinstance(item, int | float) and abs(item) < 1e6, 3)


def _is_size(value: Any) -> bool:
    return _is_list(value, lambda item: type(item) is int and 0 < item <= MAX_SIDE, 2)


_FIELDS: dict[str, Callable[[Any], bool]] = {
    'model': _is_string,
    'num_classes': lambda value: type(value) is int and value > 0,
    'classes': lambda value: value is None or _is_list(value, _is_string),
    'layout': lambda value: value in ('NCHW', 'NHWC'),
    'dtype': lambda value: value in ('float32', 'uint8'),
    'channel_order': lambda value: value in ('RGB', 'BGR'),
    'size': _is_size,
    'mean': _is_triple,
    'std': lambda value: _is_triple(value) and min(value) > 0,
    'softmax': lambda value: isinstance(value, bool),
    'precision': _is_string,
    'pipeline': lambda value: _is_list(value, lambda step: isinstance(step, dict)),
}
