"""What an exported file says of itself: how its input is made, and what its output means."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseModel
from torch import Tensor

from wrn.config.config_parts import get_test_dataset
from wrn.data.images import Preprocessing, is_red_first
from wrn.data.images.steps import check_steps
from wrn.deploy.classifier import check_head, get_num_classes
from wrn.utils.errors import WrnError

KEY = 'wrn'  # its name, in the place that a format has for such things
METADATA_FILE = f'{KEY}.json'  # its name where that place is among a file's extra files
FORMAT = 1  # to be raised when readers of the last one would misunderstand it
_LARGEST = 4096


class ExportError(WrnError):
    """A file that cannot be exported, or an exported file that cannot be used."""


@dataclass(frozen=True)
class Metadata:
    """What an exported file says of itself.

    Attributes:
        model: The name of the model.
        num_classes: The number of classes.
        classes: Their names, in the order of the output; None if they are not known.
        layout: ``'NCHW'``, or ``'NHWC'`` if the pre-processing is inside.
        dtype: ``'float32'``, or ``'uint8'`` if the pre-processing is inside.
        channel_order: ``'RGB'`` or ``'BGR'``, that of the input.
        size: Height and width of the input.
        mean: That of each channel, in the input's order, of values from 0 to 255. Input of
            ``float32`` is ``(pixels - mean) / std``.
        std: The deviation, likewise.
        softmax: Whether the output is probabilities, not scores.
        precision: What the weights are stored in.
        pipeline: The steps of the config's test pipeline, which make pictures of the size.
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
        """Whether the pre-processing is inside."""
        return self.dtype == 'uint8'

    def to_json(self) -> str:
        """Write it as JSON, in ASCII."""
        return json.dumps({'format': FORMAT, **asdict(self)})

    def to_config(self, source: str) -> Config:
        """Make the config that a model has which prepares pictures so.

        Args:
            source: The name of the file.

        Returns:
            The config: ``data_preprocessor`` and ``test_dataloader``.
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
        return Config(parts, cfg_text=f'# of {source}', filename=source)


def describe_model(
    network: BaseModel, name: str, preprocess: bool, softmax: bool, precision: str
) -> Metadata:
    """Say what a file of a model will say of itself.

    Args:
        network: A classifier that knows its config, as those of :func:`wrn.get_model` do.
        name: The model's name.
        preprocess: Whether the pre-processing is to be inside.
        softmax: Whether the output is to be probabilities.
        precision: What the weights are to be stored in.

    Returns:
        The metadata.

    Raises:
        ExportError: If it is no classifier of pictures with three channels.
        WrnError: If its pictures are prepared by steps that a file may not name.
    """
    check_head(network)
    num_classes = get_num_classes(network)
    if num_classes is None or getattr(network, '_config', None) is None:
        raise ExportError(f'{name}: has no head that gives scores; only classifiers are exported')
    pipeline = [_plain(step) for step in get_test_dataset(network._config).pipeline]
    check_steps(pipeline, name, 'take the step out of the test pipeline of the config')
    channels, *size = Preprocessing(network._config).example(1).shape[1:]
    if channels != 3:
        raise ExportError(f'{name}: takes pictures of {channels} channels; only of 3 are exported')
    preprocessor = network.data_preprocessor
    mean, std = [0.0] * 3, [1.0] * 3
    if hasattr(preprocessor, 'mean'):
        mean, std = _read_short(preprocessor.mean), _read_short(preprocessor.std)
    order = 'BGR' if is_blue_first(network) else 'RGB'
    if preprocess and order == 'BGR':  # the graph turns it around
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


def read_metadata(text: str | None, source: str) -> Metadata:
    """Read what a file says of itself.

    Args:
        text: The JSON; None if there is none.
        source: The name of the file, for messages.

    Returns:
        The metadata.

    Raises:
        ExportError: If there is none, or it is not as this package writes it.
        WrnError: If its pictures are prepared by steps that a file may not name.
    """
    if text is None:
        raise ExportError(
            f'{source}: does not say how its pictures are prepared, as files that `wrn export` '
            'writes do; export the model again'
        )
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f'{source}: its metadata is damaged ({error})') from error
    version = values.pop('format', None) if isinstance(values, dict) else None
    if version != FORMAT:
        raise ExportError(
            f'{source}: its metadata is of format {version!r}, here is {FORMAT}; export the model '
            'again, or update this package'
        )
    wrong = [key for key, right in _FIELDS.items() if key not in values or not right(values[key])]
    wrong += [key for key in values if key not in _FIELDS]
    if not wrong and (values['dtype'] == 'uint8') != (values['layout'] == 'NHWC'):
        wrong = ['layout']
    if not wrong and values['classes'] and len(values['classes']) != values['num_classes']:
        wrong = ['classes']
    if wrong:
        raise ExportError(f'{source}: its metadata is wrong at {", ".join(wrong)}')
    values['pipeline'] = [
        {key: tuple(value) if isinstance(value, list) else value for key, value in step.items()}
        for step in values['pipeline']
    ]
    check_steps(values['pipeline'], source, 'export the model again')
    return Metadata(**values)


def is_blue_first(network: BaseModel) -> bool:
    """Tell whether the network itself, behind its preprocessor, takes blue, green, red."""
    pipeline = get_test_dataset(network._config).pipeline
    return network.data_preprocessor.to_rgb == is_red_first(pipeline)


def to_rgb(pictures: Tensor, pipeline: list[dict[str, Any]]) -> Tensor:
    """Turn pictures as a pipeline gives them into red, green, blue, or back.

    Args:
        pictures: ``(N, H, W, 3)``.
        pipeline: The steps.

    Returns:
        The pictures, ``(N, H, W, 3)``.
    """
    return pictures if is_red_first(pipeline) else pictures.flip(-1)


def _read_short(values: Tensor) -> list[float]:
    """Read float32 with as few digits as tell it from others, which are those of the config."""
    return [float(str(value)) for value in values.flatten().cpu().numpy()]


def _plain(step: Any) -> Any:
    return step.to_dict() if hasattr(step, 'to_dict') else dict(step)


def _is_numbers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(item, int | float) and abs(item) < 1e6 for item in value)
    )


_FIELDS: dict[str, Callable[[Any], bool]] = {
    'model': lambda value: isinstance(value, str),
    'num_classes': lambda value: type(value) is int and value > 0,
    'classes': lambda value: (
        value is None or (isinstance(value, list) and all(isinstance(name, str) for name in value))
    ),
    'layout': lambda value: value in ('NCHW', 'NHWC'),
    'dtype': lambda value: value in ('float32', 'uint8'),
    'channel_order': lambda value: value in ('RGB', 'BGR'),
    'size': lambda value: (
        isinstance(value, list)
        and len(value) == 2
        and all(type(item) is int and 0 < item <= _LARGEST for item in value)
    ),
    'mean': _is_numbers,
    'std': lambda value: _is_numbers(value) and 0 not in value,
    'softmax': lambda value: isinstance(value, bool),
    'precision': lambda value: isinstance(value, str),
    'pipeline': lambda value: (
        isinstance(value, list) and all(isinstance(step, dict) for step in value)
    ),
}
