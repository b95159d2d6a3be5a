"""Load the weights of ``init_cfg=dict(type='Pretrained', checkpoint=...)`` in OpenMMLab's configs.

mmengine's initializer loads the keys of a file that happen to be those of the module, which may be
none, and logs the others.
"""

import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from mmengine.logging import print_log
from mmengine.model.weight_init import PretrainedInit, update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from wrn.checkpoints.assumptions import describe_differences
from wrn.checkpoints.checkpoint_file import find_entry
from wrn.checkpoints.load_state_dict import check_tensors
from wrn.checkpoints.network_options import get_options
from wrn.checkpoints.unwrap import to_openmmlab
from wrn.checkpoints.weights import ReadOptions, Weights
from wrn.models import WideResNet, WideResNetCIFAR
from wrn_base.credentials import mask_credentials
from wrn_base.errors import AssumptionWarning, CheckpointError, RandomWeightsWarning, count, some
from wrn_base.model_index import SCHEME

_BACKBONE = 'backbone.'
_BLOCK = re.compile(r'(?:^|\.)(layer\d+)\.(\d+)\.')
_COUNTER = 'num_batches_tracked'
# Stages that are new are reported, and detectors choose the strides. Any fit.
_CHOSEN = {'num_stages', 'strides', 'dilations', 'contract_dilation'}
_Tensors: TypeAlias = Mapping[str, Tensor]


@WEIGHT_INITIALIZERS.register_module(name='Pretrained', force=True)
class CheckedPretrainedInit(PretrainedInit):
    """Load weights into a Wide-ResNet, or into a model that has one as a part.

    It takes the place of mmengine's initializer, to which it leaves all other modules, unless their
    ``checkpoint`` is a ``wrn://NAME``. Keys of any known format are renamed. A backbone takes the
    weights of the backbone, with and without ``prefix='backbone.'``. ``map_location`` has no
    effect: the module stays on its device.

    Raises:
        CheckpointError: If the file cannot be read, or is of another network.

    Warns:
        RandomWeightsWarning: If weights of the module are not in the file, and so stay new.
        AssumptionWarning: If the file holds more than one network, or one with other options.
    """

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into a module. mmengine's ``init_weights`` calls this."""
        path = str(self.checkpoint)
        backbone = _find_backbone(module)
        if backbone is None and not path.startswith(SCHEME):
            super().__call__(module)
            return
        published = find_entry(path) is not None  # compares a published file with its hash
        checkpoint = CheckpointLoader.load_checkpoint(path, 'cpu', logger='silent')
        name, expected = mask_credentials(path), module.state_dict()
        is_ours = backbone is not None
        if backbone is None:
            backbone = _BACKBONE if any(key.startswith(_BACKBONE) for key in expected) else ''
        parts, checkpoint = self._separate(checkpoint, expected, backbone)
        weights = to_openmmlab(checkpoint, name, ReadOptions(prefix=self.prefix))
        found = parts | _rename(
            weights.state_dict, backbone, keep_head=bool(backbone) or not is_ours
        )
        check_tensors(expected, found, name)
        fitting = {k: v for k, v in found.items() if k in expected and v.shape == expected[k].shape}
        reshaped = [key for key in found if key in expected and key not in fitting]
        # Only the first convolution may take other images. Others show another network.
        wrong = [key for key in reshaped if expected[key].ndim == 4 and 'layer' in key]
        depth = '' if wrong else _compare_blocks(found, expected)
        if wrong or depth or not any(v.ndim == 4 or not is_ours for v in fitting.values()):
            why = depth or _explain(wrong or reshaped, found or weights.state_dict, expected)
            raise CheckpointError(
                f'{name}: not the weights of the {type(module).__name__} with this init_cfg: '
                f'{why}; give weights of this network, or the depth and the width of these weights '
                'in the config'
            )
        module.load_state_dict(fitting, strict=False)
        _report(name, type(module).__name__, expected, found, fitting)
        if is_ours:
            assumed = [] if published else weights.assumptions
            _warn(name, weights, assumed, module.get_submodule(backbone.rstrip('.')))
        if hasattr(module, '_params_init_info'):
            # mmengine's text has the address with its password
            update_init_info(module, init_info=f'{type(self).__name__}: load from {name}')

    def _separate(
        self, checkpoint: dict[str, Any], expected: _Tensors, backbone: str
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Take the parts of a model beside its backbone out of a file, such as a detector's neck.

        They belong to other packages, and have their keys.
        """
        inner = checkpoint.get('state_dict')
        stored = inner if isinstance(inner, dict) else checkpoint
        prefix = f'{self.prefix.rstrip(".")}.' if self.prefix else ''
        parts, rest = {}, {}
        for key, value in stored.items():
            own = str(key).removeprefix(prefix or 'module.')
            beside = own in expected and not own.startswith(backbone)
            if beside and str(key).startswith(prefix) and isinstance(value, Tensor):
                parts[own] = value
            else:
                rest[key] = value
        return parts, rest if stored is checkpoint else checkpoint | dict(state_dict=rest)


def _find_backbone(module: nn.Module) -> str | None:
    """Return what is before the keys of the first Wide-ResNet in a module; None if it has none."""
    for name, part in module.named_modules():
        if isinstance(part, WideResNet | WideResNetCIFAR):
            return f'{name}.' if name else ''
    return None


def _rename(state_dict: _Tensors, backbone: str, keep_head: bool) -> dict[str, Tensor]:
    """Rename OpenMMLab's keys to those of a module. A backbone alone has no head."""
    return {
        backbone + key.removeprefix(_BACKBONE) if key.startswith(_BACKBONE) else key: value
        for key, value in state_dict.items()
        if keep_head or key.startswith(_BACKBONE)
    }


def _compare_blocks(found: _Tensors, expected: _Tensors) -> str:
    """Return how many blocks a stage has in a file and in a model, if they differ."""
    theirs, ours = (_count_blocks(tensors) for tensors in (found, expected))
    for stage in sorted(theirs.keys() & ours.keys()):
        if theirs[stage] != ours[stage]:
            return f'{stage} has {count(theirs[stage], "block")}, but the model has {ours[stage]}'
    return ''


def _count_blocks(tensors: _Tensors) -> dict[str, int]:
    blocks: dict[str, set[str]] = {}
    for key in tensors:
        if match := _BLOCK.search(key):
            blocks.setdefault(match[1], set()).add(match[2])
    return {stage: len(numbers) for stage, numbers in blocks.items()}


def _explain(reshaped: Sequence[str], found: _Tensors, expected: _Tensors) -> str:
    """Return why weights do not fit: their shapes, or else their keys."""
    if not reshaped:
        return f'the keys of the file are {some(found)}, and those of the model {some(expected)}'
    first = reshaped[0]
    theirs, ours = (tuple(values[first].shape) for values in (found, expected))
    return f'{first} has shape {theirs}, but the model has {ours}'


def _report(
    name: str, network: str, expected: _Tensors, found: _Tensors, fitting: _Tensors
) -> None:
    """Log what was loaded, and warn of weights that stay new."""
    parts = [f'{name}: loads {count(len(fitting), "tensor")} into {network}']
    # torch fills in the counter, which weights older than torch 0.4.1 do not have.
    found = {key: v for key, v in found.items() if not key.endswith(_COUNTER)}
    new = [key for key in expected if key not in fitting and not key.endswith(_COUNTER)]
    if new:
        parts.append(f'new: {some(new)}')
    if reshaped := [key for key in new if key in found]:
        parts.append(_explain(reshaped, found, expected))
    if unused := found.keys() - expected.keys():
        parts.append(f'not used: {some(unused)}')
    if new:
        warnings.warn('; '.join(parts), RandomWeightsWarning, stacklevel=2)
    else:
        print_log('; '.join(parts), logger='current', level=logging.INFO)


def _warn(name: str, weights: Weights, assumed: Sequence[str], backbone: nn.Module) -> None:
    """Warn of what is taken from the file, and of options in which the backbone differs from it."""
    parts = []
    if assumed:
        parts.append(f'assumed: {"; ".join(assumed)}; take others by prefix or `wrn convert`')
    if differences := describe_differences(weights, get_options(backbone), _CHOSEN):
        parts.append(f'the network has {differences}; the weights expect the latter')
    if parts:
        warnings.warn(f'{name}: {"; ".join(parts)}', AssumptionWarning, stacklevel=2)
