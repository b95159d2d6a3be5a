"""Compute where in an image the score of a class comes from."""

import copy
import logging
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from wrn.deploy.classifier import eager_model
from wrn.inference.feature_layers import find_last_map, find_layer
from wrn.inference.input_checks import find_in_channels
from wrn.utils.packages import require_extra
from wrn_base.commands.explain import METHODS
from wrn_base.errors import WrnError, check_choice, count

__all__ = ['METHODS', 'MODULES', 'Explainer', 'check_grad_cam']

MODULES = ('pytorch_grad_cam', 'sklearn')
"""What the maps need, of the extra ``report``. The first imports the second."""
_CLASSES = {'gradcam': 'GradCAM', 'hirescam': 'HiResCAM', 'eigencam': 'EigenCAM'}
_EIGEN_POSITIONS = 64 * 64  # the package's SVD takes a square matrix of as many rows
_logger = logging.getLogger('wrn')


class Explainer:
    """Compute maps of the positions that raise the score of a class, by the ``grad-cam`` package.

    The caller's model stays as it is, also while this runs: the hooks and modes are those of a copy
    that shares its weights. Threads may share an explainer; they wait for one another.

    Args:
        model: A classifier, such as one from :func:`wrn.get_model`. It may be compiled by
            :func:`torch.compile`, in half precision, or in the backend ``'fused'``.
        method: ``'gradcam'`` (Selvaraju et al., 2017, https://arxiv.org/abs/1610.02391) weights
            channels by their mean gradient. ``'hirescam'`` (Draelos and Carin, 2020,
            https://arxiv.org/abs/2011.08891) multiplies each value by its gradient.
            ``'eigencam'`` (Muhammad and Yeasin, 2020, https://arxiv.org/abs/2008.00299) is the
            first principal component of the features, which is the same for every class. Its sign
            is chosen so that the value of the largest magnitude is positive. Defaults to
            ``'gradcam'``.
        layer: The name of the layer whose output is explained, such as ``'backbone.layer3'`` or
            ``'layer3'``. Defaults to None: the last block of the last stage, in
            :class:`wrn.models.WideResNetCIFAR` the activation after the last norm, and in networks
            of other types the last layer of the backbone that has a feature map, which is logged.

    Attributes:
        method: The method.
        layer: The name of the layer. None until the first images if it is unknown before.

    Raises:
        WrnError: If ``grad-cam`` is not installed, the method or layer is unknown, the model has no
            head, or runs in a backend without gradients.
    """

    def __init__(self, model: BaseModel, method: str = 'gradcam', layer: str | None = None) -> None:
        check_choice('--method', method, METHODS)
        check_grad_cam()
        network: Any = eager_model(model)
        if hasattr(network, 'backbone') and not network.with_head:
            raise WrnError('the model has no head, so no class has a score; build it with its head')
        with torch.inference_mode(False):
            self._network = _share(network)
        self._lock = threading.Lock()  # a layer has the hooks of one call at a time
        self._channels = find_in_channels(network)
        self.method = method
        self.layer = find_layer(self._network, layer)

    def __call__(
        self, inputs: Tensor, labels: Sequence[int] | Sequence[Sequence[int]] | np.ndarray | Tensor
    ) -> np.ndarray:
        """Compute the maps of a batch. This also works under ``torch.no_grad``.

        Args:
            inputs: Normalized images, ``(N, C, H, W)``, floating-point.
            labels: The index of a class for each image, ``(N,)``, or of several, ``(N, K)``.

        Returns:
            The maps at the resolution of the layer, ``(N, h, w)`` or ``(N, K, h, w)``, float32.
            They are raw: negative values are neither cut off, nor is anything scaled or resized.

        Raises:
            WrnError: If the inputs or labels are wrong, the layer has no feature map that the score
                depends on, or the network computes NaN.
        """
        self._check_inputs(inputs)
        weights = next(self._network.parameters())
        with self._lock, torch.inference_mode(False), torch.enable_grad():
            images = inputs.detach().to(weights.device, weights.dtype, copy=True)
            wanted = _check_labels(labels, len(inputs))
            if self.layer is None:
                self.layer = find_last_map(self._network, images)
                _logger.info('heat maps are of layer %s, the last with a feature map', self.layer)
            maps = self._compute(images, wanted.reshape(len(inputs), -1))
        return maps if wanted.ndim > 1 else maps[:, 0]

    def _check_inputs(self, inputs: Any) -> None:
        if not isinstance(inputs, Tensor):
            raise WrnError(
                f'inputs: are of type {type(inputs).__name__}; give a tensor of normalized images, '
                '(N, C, H, W)'
            )
        if inputs.ndim != 4 or not inputs.is_floating_point() or not inputs.numel():
            raise WrnError(
                f'inputs: are {tuple(inputs.shape)}, {inputs.dtype}; give normalized images, '
                '(N, C, H, W), floating-point'
            )
        if self._channels not in (None, inputs.shape[1]):
            raise WrnError(
                f'inputs: have {count(inputs.shape[1], "channel")}, but the network takes '
                f'{self._channels}; give images (N, {self._channels}, H, W)'
            )

    def _compute(self, images: Tensor, labels: Tensor) -> np.ndarray:
        """Return the maps ``(N, K, h, w)`` of images of the network's device and type."""
        import pytorch_grad_cam

        layer = self._network.get_submodule(self.layer or '')
        # The gradient is needed from the layer on. Before it, nothing is recorded.
        cut = layer.register_forward_hook(_record_from_here)
        cam = getattr(pytorch_grad_cam, _CLASSES[self.method])(
            self._network, [layer], reshape_transform=_keep
        )
        recorded = cam.activations_and_grads
        try:
            scores = recorded(images)
            self._check_scores(scores, labels)
            features = self._get_features(recorded.activations)
            maps = []
            for wanted in labels.T.to(scores.device):
                if cam.uses_gradients:
                    recorded.gradients = []
                    chosen = scores.gather(1, wanted[:, None])
                    if chosen.requires_grad:
                        chosen.sum().backward(retain_graph=True)
                    if not recorded.gradients:
                        raise WrnError(
                            f'--layer {self.layer}: the scores do not depend on it; give a layer '
                            'before the head'
                        )
                gradients = recorded.gradients[0].numpy() if recorded.gradients else None
                maps.append(cam.get_cam_image(images, layer, None, features, gradients, False))
        finally:
            recorded.release()
            cut.remove()
        result = np.stack(maps, 1).astype(np.float32, copy=False)
        _check_finite(result)
        return _orient(result) if self.method == 'eigencam' else result

    def _check_scores(self, scores: Any, labels: Tensor) -> None:
        if not isinstance(scores, Tensor) or scores.ndim != 2:
            raise WrnError(
                'the model has no scores (N, num_classes); give a classifier with one head'
            )
        largest = scores.shape[1] - 1
        if labels.numel() and not (labels.min() >= 0 and labels.max() <= largest):
            wrong = next(label for label in labels.flatten().tolist() if not 0 <= label <= largest)
            raise WrnError(f'class {wrong}: out of range; the model has classes 0 to {largest}')

    def _get_features(self, outputs: list[Tensor]) -> np.ndarray:
        """Return the feature map ``(N, C, h, w)`` that the layer computed."""
        if len(outputs) != 1:
            times = f'runs {len(outputs)} times' if outputs else 'does not run'
            raise WrnError(
                f'--layer {self.layer}: {times} in a pass of the network; give one that runs once'
            )
        if outputs[0].ndim != 4:
            raise WrnError(
                f'--layer {self.layer}: its output is {tuple(outputs[0].shape)}, not a feature map '
                '(N, C, H, W); give an earlier layer'
            )
        features = outputs[0].numpy()
        _check_finite(features)
        height, width = features.shape[2:]
        if self.method == 'eigencam' and height * width > _EIGEN_POSITIONS:
            raise WrnError(
                f'--layer {self.layer}: its map has {height}x{width} positions, and eigencam takes '
                f'at most {_EIGEN_POSITIONS}; give a later layer, or another method'
            )
        return features


def check_grad_cam() -> None:
    """Check that the packages that compute the maps are installed.

    Raises:
        WrnError: If one is missing.
    """
    require_extra('heat maps', 'report', *MODULES)


def _check_labels(labels: Any, number: int) -> Tensor:
    """Return labels as a tensor, ``(N,)`` or ``(N, K)``, in which gradients may be recorded."""
    given = torch.as_tensor(labels)
    integers = not given.is_floating_point() and given.dtype != torch.bool
    if not integers or given.ndim not in (1, 2) or len(given) != number:
        raise WrnError(
            f'labels: are {tuple(given.shape)}, {given.dtype}; give the index of a class for each '
            f'of {count(number, "image")}'
        )
    return given.to('cpu', torch.int64, copy=True)


def _share(network: nn.Module) -> nn.Module:
    """Return a copy for inference that shares its weights, and needs no gradients of them."""
    tensors = (*network.parameters(), *network.buffers())
    memo: dict[int, Any] = {id(tensor): _share_tensor(tensor) for tensor in tensors}
    for name in ('_config', '_metainfo', '_dataset_meta'):
        value = getattr(network, name, None)
        memo[id(value)] = value
    return copy.deepcopy(network, memo).eval()


def _share_tensor(tensor: Tensor) -> Tensor:
    values = tensor.clone() if tensor.is_inference() else tensor.detach()
    is_parameter = isinstance(tensor, nn.Parameter)
    return nn.Parameter(values, requires_grad=False) if is_parameter else values


def _record_from_here(_: nn.Module, __: Any, output: Any) -> Any:
    """Replace the output of a layer by one that gradients are computed of."""
    if not isinstance(output, Tensor) or not output.is_floating_point():
        kind = type(output).__name__
        raise WrnError(f'--layer: its output is a {kind}, not a feature map; give a part of it')
    return output.detach().requires_grad_().clone()  # the next layer may change it in place


def _keep(values: Tensor) -> Tensor:
    """Copy the output of a layer before the next one changes it. numpy has no bfloat16."""
    return values.to(torch.float32, copy=True)


def _check_finite(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise WrnError(
            'the network computes NaN or infinite values; give weights that are not damaged, or '
            'compute in float32'
        )


def _orient(maps: np.ndarray) -> np.ndarray:
    """Choose the sign of principal components, which is arbitrary: the largest value is positive.

    The positions that differ most from the others are then bright, as an object on its background.
    """
    return np.where(maps.max((2, 3), keepdims=True) < -maps.min((2, 3), keepdims=True), -maps, maps)
