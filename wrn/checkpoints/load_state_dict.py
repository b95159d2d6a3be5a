"""Put weights into a model, or say why they do not fit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from wrn.utils.errors import CheckpointError, some


def check_state_dict(
    model: nn.Module, state_dict: Mapping[str, Tensor], source: str, *, new_head: bool = False
) -> bool:
    """Check that a state dict has the model's keys and shapes.

    Args:
        model: The model, which may be wrapped for distribution or test-time augmentation.
        state_dict: The weights.
        source: The name of their file, for messages.
        new_head: Whether weights outside the backbone may be missing, unknown or of another shape,
            as when a model is fine-tuned on other classes. Defaults to False.

    Returns:
        Whether every weight of the model is in the state dict; False if some outside the backbone
        are not.

    Raises:
        CheckpointError: If the state dict is that of another model.
    """
    network = unwrap_model(model)
    expected = network.state_dict()
    # The counter came with torch 0.4.1; torch fills it in for older weights.
    missing = [
        key for key in expected.keys() - state_dict.keys() if 'num_batches_tracked' not in key
    ]
    unexpected = state_dict.keys() - expected.keys()
    reshaped = [
        key
        for key in expected.keys() & state_dict.keys()
        if expected[key].shape != state_dict[key].shape
    ]
    # Integers are quantised, and need scales that no key of the model has.
    unusable = [
        key
        for key in expected.keys() & state_dict.keys()
        if (expected[key].is_floating_point() and not state_dict[key].is_floating_point())
        or state_dict[key].layout != torch.strided
    ]
    # Some modules change the weights that they are given, such as position embeddings to a size.
    changing = tuple(
        f'{name}.' for name, module in network.named_modules() if module._load_state_dict_pre_hooks
    )
    if unusable:
        kind, layout = state_dict[min(unusable)].dtype, state_dict[min(unusable)].layout
        raise CheckpointError(
            f'{source}: {some(unusable)} are of {kind} in the layout {layout}, not dense and of '
            'floating point; give the weights from before they were quantised or pruned'
        )
    wrong = {key for key in (*missing, *unexpected, *reshaped) if not key.startswith(changing)}
    if not wrong:
        return True
    backbone = {key for key in (*expected, *wrong) if key.startswith('backbone.')}
    # A head of as many classes that only lacks a part is a damaged one, and no other.
    has_head = any(key.startswith('head.') for key in state_dict)
    damaged = has_head and not reshaped and any(key.startswith('head.') for key in missing)
    if new_head and state_dict.keys() & backbone and not wrong & backbone and not damaged:
        return False
    raise CheckpointError(
        f'{source}: the weights are those of another model: '
        + '; '.join(_describe(expected, state_dict, missing, unexpected, reshaped))
    )


def _describe(
    expected: Mapping[str, Tensor],
    state_dict: Mapping[str, Tensor],
    missing: Iterable[str],
    unexpected: Iterable[str],
    reshaped: Iterable[str],
) -> Iterable[str]:
    if missing:
        yield f'they lack {some(missing, 10)}'
    if unexpected:
        yield f'they have {some(unexpected, 10)}, which the model has not'
    for key in sorted(reshaped)[:1]:
        yield (
            f'{key} has the shape {tuple(state_dict[key].shape)} where the model has '
            f'{tuple(expected[key].shape)}'
        )
    yield 'give the config that the weights were trained with'


def assign_state_dict(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Make the tensors of a fitting state dict the model's own, without copying them.

    Args:
        model: A model whose weights may still lie on the ``meta`` device.
        state_dict: Weights for which :func:`check_state_dict` returned True. Those of another
            precision are converted to the model's.
    """
    expected = model.state_dict()
    model.load_state_dict(
        {
            key: value.to(expected[key].dtype) if key in expected else value
            for key, value in state_dict.items()
        },
        strict=False,  # only for num_batches_tracked; the rest has been checked
        assign=True,
    )


def set_normalization(model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
    """Make a model normalise its input as its weights were trained.

    Args:
        model: The model, which may be wrapped, with a data preprocessor.
        mean: The mean of each channel, red, green and blue, for pixels from 0 to 255.
        std: The standard deviation of each.
    """
    preprocessor: Any = unwrap_model(model).data_preprocessor
    preprocessor._enable_normalize = True
    for name, values in (('mean', mean), ('std', std)):
        # As mmengine's ImgDataPreprocessor keeps them: not part of the state dict.
        preprocessor.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)


def unwrap_model(model: nn.Module) -> Any:
    """Return a model out of what it may be wrapped in.

    Args:
        model: The model, or a wrapper for distribution or test-time augmentation.

    Returns:
        The model itself.
    """
    network: Any = model
    while is_model_wrapper(network) or isinstance(network, BaseTTAModel):
        network = network.module
    return network
