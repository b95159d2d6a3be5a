"""A classifier whose network runs in an engine."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseModel
from mmpretrain.models import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wrn.data.images import ImageLike, Preprocessing, collate, preprocess_sample
from wrn.deploy.engines import build_engine
from wrn.utils.errors import WrnError

_logger = logging.getLogger('wrn')


class DeployedClassifier(BaseModel):
    """A classifier for inference alone, of which an engine computes all but the normalisation.

    It stands where mmpretrain's ``ImageClassifier`` does, in inferencers and in tests.

    Args:
        engine: The engine, or another function from inputs to outputs.
        data_preprocessor: What makes inputs of prepared pictures.
        num_classes: The number of classes; None if it computes features.
        softmax: Whether the engine computes probabilities, not scores. Defaults to False.

    Attributes:
        own_threads: As of :class:`wrn.deploy.engines.engine.Engine`.
    """

    def __init__(
        self,
        engine: Callable[[Tensor], tuple[Tensor, ...]],
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
        """Whether it computes scores, and not features."""
        return self.num_classes is not None

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute features.

        Args:
            inputs: Normalised pictures, ``(N, C, H, W)``.

        Returns:
            The features of each of the ``out_indices``: ``(N, C_i)``, or ``(N, C_i, H_i, W_i)`` if
            there is no neck either.

        Raises:
            WrnError: If the engine has a head.
        """
        if self.with_head:
            raise WrnError(
                "the engine computes the classes' scores; for features, leave out the head: "
                'get_model(NAME, head=None, backend=...)'
            )
        return self.engine(inputs)

    def forward(self, inputs: Tensor, data_samples: Any = None, mode: str = 'tensor') -> Any:
        """Run the network.

        Args:
            inputs: Normalised pictures, ``(N, C, H, W)``.
            data_samples: What is known of the pictures, a ``DataSample`` each. Defaults to None.
            mode: ``'tensor'`` or ``'predict'``. Defaults to ``'tensor'``.

        Returns:
            The scores ``(N, num_classes)`` or the features for ``'tensor'``, and a ``DataSample``
            of each picture for ``'predict'``.

        Raises:
            WrnError: For another mode, as of training, or a prediction without a head.
        """
        if mode == 'tensor':
            outputs = self.engine(inputs)
            return outputs[0] if self.with_head else outputs
        if mode != 'predict' or not self.with_head:
            raise WrnError(f'mode {mode!r} is not for an engine that was built for inference')
        probabilities = self.engine(inputs)[0]
        if not self.softmax:
            probabilities = probabilities.softmax(1)
        samples = data_samples or [DataSample() for _ in inputs]
        labels = probabilities.argmax(1, keepdim=True)
        for sample, score, label in zip(samples, probabilities, labels, strict=True):
            sample.set_pred_score(score).set_pred_label(label)
        return samples


def get_num_classes(network: BaseModel) -> int | None:
    """Return the number of classes of a model, if it is known."""
    if isinstance(network, DeployedClassifier):
        return network.num_classes
    return getattr(getattr(network, 'head', None), 'num_classes', None)


def get_own_config(network: BaseModel) -> Config:
    """Return the config that a model was built from.

    Raises:
        WrnError: If the model does not know it.
    """
    if not hasattr(network, '_config'):
        raise WrnError(
            'the model does not know how its pictures are prepared; set `model._config` to '
            'its Config (of a Runner, `runner.cfg`), or get the model from `wrn.get_model`'
        )
    return network._config


def check_head(network: BaseModel) -> None:
    """Check that a classifier can do without its head's own code.

    Args:
        network: The classifier.

    Raises:
        WrnError: If it is in an engine already, or its head makes something else of scores than
            probabilities of classes that exclude each other.
    """
    if isinstance(network, DeployedClassifier):
        raise WrnError('the model runs in an engine already; take the one that it was made of')
    if network.with_head and not isinstance(network.head, ClsHead):
        raise WrnError(
            f'{type(network.head).__name__}: predicts more than one class of a picture; such a '
            'model runs eagerly alone'
        )


def deploy(
    network: BaseModel,
    backend: str,
    precision: str = 'float32',
    batch_size: int = 1,
    calibration: ImageLike | Sequence[ImageLike] | None = None,
) -> BaseModel:
    """Let an engine run a classifier.

    Which engine it is, and what sets it apart from eager, is logged as ``wrn`` at level ``INFO``.

    Args:
        network: The classifier, in eval mode; it must know its config, as those of
            :func:`wrn.get_model` do.
        backend: One of :data:`wrn.deploy.engines.BACKENDS`; ``'eager'`` returns the network itself.
        precision: One of :data:`wrn.deploy.engines.PRECISIONS`. Defaults to ``'float32'``.
        batch_size: How many pictures it is to take at a time. Defaults to 1.
        calibration: Pictures to calibrate ``'int8'`` with. Defaults to None.

    Returns:
        The classifier whose network runs in the engine.

    Raises:
        WrnError: If the engine cannot be had, or the pictures cannot be read.
    """
    if backend == 'eager':
        if precision != 'float32':
            raise WrnError(f'precision {precision}: is for an engine; name one with backend')
        return network
    check_head(network)
    preparation = Preprocessing(get_own_config(network))
    normalize = network.data_preprocessor

    def make_inputs(pictures: Tensor) -> Tensor:
        return normalize(dict(inputs=pictures))['inputs']

    inputs = None
    if calibration is not None and precision == 'int8':
        inputs = make_inputs(collate(preprocess_sample(calibration, preparation)))
    example = make_inputs(preparation.example(batch_size))
    built = build_engine(network, example, backend, precision, inputs)
    rates = ', '.join(f'{name} {rate:.1f}' for name, rate in built.rates.items())
    chosen = f' (pictures/s: {rates})' if rates else ''
    _logger.info('backend %s, %s%s; %s', built.engine.name, precision, chosen, built.difference)
    deployed = DeployedClassifier(built.engine, normalize, get_num_classes(network))
    for attribute in ('_config', '_metainfo', '_dataset_meta'):
        setattr(deployed, attribute, getattr(network, attribute, None))
    return deployed.eval()
