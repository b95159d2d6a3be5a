"""Load a state dict into a model, or report why it does not fit."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from wrn_base.errors import CheckpointError, some


def check_state_dict(
    model: nn.Module, state_dict: Mapping[str, Tensor], name: str, *, new_head: bool = False
) -> bool:
    """Check that a state dict has the keys and shapes of a model.

    Args:
        model: The model. It may be wrapped for distribution or test-time augmentation.
        state_dict: The weights.
        name: The path or name of their file, for messages.
        new_head: Whether weights outside the backbone may be missing, unknown or of another shape,
            as in fine-tuning on other classes. Defaults to False.

    Returns:
        Whether the state dict has every weight of the model. False is possible only with
        ``new_head``.

    Raises:
        CheckpointError: If the state dict does not fit the model.
    """
    network = unwrap_model(model)
    expected = network.state_dict()
    shared = expected.keys() & state_dict.keys()
    if not shared:
        raise CheckpointError(
            f'{name}: the format of the keys is unknown ({some(state_dict)}), and the model has no '
            'such keys; give weights of this model, or in a format that `wrn convert` reads'
        )
    check_tensors(expected, state_dict, name)
    # torch fills in the counter, which weights older than torch 0.4.1 do not have.
    missing = [
        key for key in expected.keys() - state_dict.keys() if 'num_batches_tracked' not in key
    ]
    unexpected = state_dict.keys() - expected.keys()
    reshaped = [key for key in shared if expected[key].shape != state_dict[key].shape]
    # Modules with a hook adapt weights themselves, such as position embeddings to an image size.
    adapting = tuple(
        f'{part}.' for part, module in network.named_modules() if module._load_state_dict_pre_hooks
    )
    wrong = {key for key in (*missing, *unexpected, *reshaped) if not key.startswith(adapting)}
    if not wrong:
        return True
    backbone = {key for key in (*expected, *wrong) if key.startswith('backbone.')}
    # A head with weights missing and all others of the right shape is damaged, not another head.
    has_head = any(key.startswith('head.') for key in state_dict)
    damaged = has_head and not reshaped and any(key.startswith('head.') for key in missing)
    if new_head and state_dict.keys() & backbone and not wrong & backbone and not damaged:
        return False
    reasons = [f'missing {some(missing, 10)}'] if missing else []
    if unexpected:
        reasons.append(f'unexpected {some(unexpected, 10)}')
    if reshaped:
        key = min(reshaped)
        reasons.append(
            f'{key} has shape {tuple(state_dict[key].shape)}, but the model has '
            f'{tuple(expected[key].shape)}'
        )
    raise CheckpointError(
        f'{name}: the weights do not fit the model: {"; ".join(reasons)}; give the config that '
        'they were trained with'
    )


def check_tensors(
    expected: Mapping[str, Tensor], state_dict: Mapping[str, Tensor], name: str
) -> None:
    """Check that the weights that a model has are dense, of a usable type, and finite.

    Args:
        expected: The state dict of the model.
        state_dict: The weights. Keys that the model does not have are not checked.
        name: The path or name of their file, for messages.

    Raises:
        CheckpointError: If the values of a tensor cannot be used.
    """
    shared = expected.keys() & state_dict.keys()
    # Integers are quantized weights. The model has no place for their scales.
    unusable = [
        key
        for key in shared
        if (expected[key].is_floating_point() and not state_dict[key].is_floating_point())
        or state_dict[key].layout != torch.strided
    ]
    if unusable:
        kind, layout = state_dict[min(unusable)].dtype, state_dict[min(unusable)].layout
        raise CheckpointError(
            f'{name}: not dense floating-point tensors: {some(unusable)} ({kind}, {layout}); give '
            'the weights from before quantization or pruning'
        )
    if infinite := [key for key in shared if not _is_finite(state_dict[key])]:
        raise CheckpointError(
            f'{name}: NaN or infinity in {some(infinite)}; give weights from before the training '
            'diverged, or download or copy the file again'
        )


def _is_finite(tensor: Tensor) -> bool:
    """Return whether all values are finite. A sum shows it in one pass, unless it overflows."""
    if tensor.is_meta or not tensor.is_floating_point():
        return True
    values = tensor.float()  # torch cannot add all types
    return bool(values.sum().isfinite() or values.isfinite().all())


def assign_state_dict(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Make the tensors of a state dict the weights of a model, without copying them.

    Args:
        model: The model. Its weights may be on the ``meta`` device.
        state_dict: Weights that passed :func:`check_state_dict`. They are converted to the
            precision of the model.
    """
    expected = model.state_dict()
    model.load_state_dict(
        {
            key: value.to(expected[key].dtype) if key in expected else value
            for key, value in state_dict.items()
        },
        strict=False,  # num_batches_tracked may be missing; all else has been checked
        assign=True,
    )


def set_normalization(model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
    """Set the mean and the standard deviation for normalizing the input of a model.

    Args:
        model: The model, with a data preprocessor. It may be wrapped.
        mean: The mean of each channel in the network's order, for pixels from 0 to 255.
        std: The standard deviation of each channel.
    """
    preprocessor: Any = unwrap_model(model).data_preprocessor
    preprocessor._enable_normalize = True
    for name, values in (('mean', mean), ('std', std)):
        # As in mmengine's ImgDataPreprocessor: not part of the state dict.
        preprocessor.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)


def unwrap_model(model: nn.Module) -> Any:
    """Return a model without its wrappers for distribution and test-time augmentation."""
    network: Any = model
    while is_model_wrapper(network) or isinstance(network, BaseTTAModel):
        network = network.module
    return network
