"""A classifier that runs in an engine."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmpretrain.models import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from typing_extensions import TypeIs

from wrn.data.images import ImageLike, Preprocessing, collate, preprocess_sample
from wrn.deploy.engines import build_engine, name_supporting
from wrn.deploy.engines.engine import Forward
from wrn_base.errors import WrnError

_logger = logging.getLogger('wrn')


class DeployedClassifier(BaseModel):
    """A classifier for inference only, with its network in an engine.

    It can replace mmpretrain's ``ImageClassifier`` in inferencers and in tests.

    Args:
        engine: The engine, or another function from inputs to outputs.
        data_preprocessor: The module that normalizes images.
        num_classes: The number of classes; None if the engine computes features.
        softmax: Whether the engine computes probabilities, not logits. Defaults to False.

    Attributes:
        own_threads: See :class:`wrn.deploy.engines.engine.Engine`.
    """

    def __init__(
        self,
        engine: Forward,
        data_preprocessor: nn.Module,
        num_classes: int | None,
        softmax: bool = False,
    ) -> None:
        super().__init__(data_preprocessor)
        self.engine = engine
        self.num_classes = num_classes
        self.softmax = softmax
        self.own_threads = getattr(engine, 'own_threads', False)

    @property
    def with_head(self) -> bool:
        """Whether the engine computes logits, not features."""
        return self.num_classes is not None

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute features.

        Args:
            inputs: Normalized images, ``(N, C, H, W)``.

        Returns:
            The features of each of the ``out_indices``: ``(N, C_i)``, or ``(N, C_i, H_i, W_i)``
            without a neck.

        Raises:
            WrnError: If the engine computes logits.
        """
        if self.with_head:
            raise WrnError(
                'the model computes logits, not features; build it without a head: '
                'get_model(NAME, head=None, backend=...)'
            )
        return self.engine(inputs)

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """Run the network.

        Args:
            inputs: Normalized images, ``(N, C, H, W)``.
            data_samples: A ``DataSample`` for each image, to add the predictions to. Defaults to
                None: new ones.
            mode: ``'tensor'`` or ``'predict'``. Defaults to ``'tensor'``.

        Returns:
            For ``'tensor'``, the logits ``(N, num_classes)`` or the features. For ``'predict'``, a
            ``DataSample`` for each image.

        Raises:
            WrnError: If the mode is another one, such as ``'loss'``, or if it is ``'predict'`` and
                there is no head.
        """
        if mode == 'tensor':
            outputs = self.engine(inputs)
            return outputs[0] if self.with_head else outputs
        if mode != 'predict' or not self.with_head:
            head = '' if self.with_head else ' without a head'
            raise WrnError(f"mode {mode!r}: not supported by a backend{head}; use mode='tensor'")
        probabilities = self.engine(inputs)[0]
        if not self.softmax:
            probabilities = probabilities.softmax(1)
        samples = data_samples or [DataSample() for _ in inputs]
        labels = probabilities.argmax(1, keepdim=True)
        for sample, score, label in zip(samples, probabilities, labels, strict=True):
            sample.set_pred_score(score).set_pred_label(label)
        return samples


def original_model(model: Any) -> Any:
    """Return the model that :func:`torch.compile` wrapped. Return anything else unchanged."""
    return getattr(model, '_orig_mod', model)


def eager_model(model: Any) -> BaseModel:
    """Return the classifier in eager torch that a model is or runs, which has gradients.

    Args:
        model: A classifier, also one that :func:`torch.compile` wrapped or that runs in a backend.

    Raises:
        WrnError: If it is not a model, or if its backend runs a frozen graph.
    """
    original = original_model(model)
    if not isinstance(original, BaseModel):
        raise WrnError(f'{type(model).__name__}: not a model; give one from wrn.get_model')
    if not isinstance(original, DeployedClassifier):
        return original
    engine: Any = original.engine
    eager = getattr(engine, 'eager', None)
    if eager is None:
        name = getattr(engine, 'name', 'an exported file')
        raise WrnError(
            f'the model runs in a frozen graph ({name}), which has no layers and no gradients; use '
            'its weights with backend eager or fused'
        )
    return eager


def is_model(model: object) -> TypeIs[BaseModel]:
    """Return whether an object is a built model, or one that :func:`torch.compile` wrapped."""
    return isinstance(original_model(model), BaseModel)


def get_num_classes(network: BaseModel) -> int | None:
    """Return the number of classes of a model; None without a head."""
    if isinstance(network, DeployedClassifier):
        return network.num_classes
    return getattr(getattr(network, 'head', None), 'num_classes', None)


def get_own_config(network: BaseModel) -> Config:
    """Return the config that a model was built from.

    Raises:
        WrnError: If the model does not have it.
    """
    if not hasattr(network, '_config'):
        raise WrnError(
            'the model has no config, so its preprocessing is unknown; set `model._config` to its '
            'Config (`runner.cfg` of a Runner), or get the model from `wrn.get_model`'
        )
    return network._config


def check_head(network: BaseModel) -> None:
    """Check that predictions are the softmax of logits, so that an engine can replace the head.

    Args:
        network: The classifier.

    Raises:
        WrnError: If the classifier already runs in an engine, or its head predicts several classes
            per image.
    """
    if isinstance(network, DeployedClassifier):
        raise WrnError('the model already runs in a backend; use the model that it was built from')
    if network.with_head and not isinstance(network.head, ClsHead):
        raise WrnError(
            f'{type(network.head).__name__}: predicts more than one class per image; use backend '
            'eager'
        )


def deploy(
    network: BaseModel,
    backend: str,
    precision: str = 'float32',
    batch_size: int = 1,
    calibration: ImageLike | Sequence[ImageLike] | None = None,
) -> BaseModel:
    """Run a classifier in an engine.

    The engine and its difference from eager are logged to ``wrn`` at level ``INFO``.

    Args:
        network: The classifier, in eval mode. It must have its config, as models from
            :func:`wrn.get_model` do.
        backend: One of :data:`wrn.deploy.engines.BACKENDS`; ``'eager'`` returns the network itself.
        precision: One of :data:`wrn.deploy.engines.PRECISIONS`. Defaults to ``'float32'``.
        batch_size: The batch size that the engine is tuned for. Defaults to 1.
        calibration: Images for calibrating ``'int8'``. Defaults to None.

    Returns:
        The classifier that runs in the engine.

    Raises:
        WrnError: If the engine is unavailable, or no calibration image can be read.
    """
    if backend == 'eager':
        if precision != 'float32':
            able = name_supporting(precision)
            raise WrnError(
                f'precision {precision}: not supported by backend eager; use backend {able}'
            )
        return network
    network = original_model(network)
    check_head(network)
    dtype = next(network.parameters()).dtype
    if dtype != torch.float32:
        raise WrnError(
            f'the model is in {dtype}, and backend {backend} takes one in float32; give it before '
            'it is converted, with precision'
        )
    preprocessing = Preprocessing(get_own_config(network))
    data_preprocessor = network.data_preprocessor

    def normalize(images: Tensor) -> Tensor:
        return data_preprocessor(dict(inputs=images))['inputs']

    inputs = None
    if calibration is not None and precision == 'int8':
        inputs = normalize(collate(preprocess_sample(calibration, preprocessing)))
    example = normalize(preprocessing.example(batch_size))
    built = build_engine(network, example, backend, precision, inputs)
    rates = ', '.join(f'{name} {rate:.1f}' for name, rate in built.rates.items())
    measured = f' (images/s: {rates})' if rates else ''
    _logger.info('backend %s, %s%s; %s', built.engine.name, precision, measured, built.difference)
    deployed = DeployedClassifier(built.engine, data_preprocessor, get_num_classes(network))
    for attribute in ('_config', '_metainfo', '_dataset_meta'):
        setattr(deployed, attribute, getattr(network, attribute, None))
    return deployed.eval()
