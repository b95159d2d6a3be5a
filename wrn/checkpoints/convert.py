"""Convert the weights of Wide-ResNets between the formats in which they are published."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from modelindex.models.Model import Model
from torch import Tensor

from wrn.checkpoints import check_state_dict, write_weights
from wrn.checkpoints.architecture import Architecture, find_architecture
from wrn.checkpoints.checkpoint_file import CheckpointFile
from wrn.checkpoints.describe import describe_network
from wrn.checkpoints.formats import FORMATS, TARGETS, recognise
from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat
from wrn.checkpoints.network_options import find_difference
from wrn.checkpoints.publish import Published, describe
from wrn.checkpoints.writer import SUFFIXES
from wrn.config.config_errors import config_errors
from wrn.config.config_parts import get_dataset_meta
from wrn.download import stem_without_hash
from wrn.models.meta_init import MetaInit
from wrn.utils.errors import CheckpointError, WrnError, some


@dataclass
class Converted(Published):
    """A file that was converted.

    Attributes:
        format: The format of the file that was read.
        architecture: The network.
        entry: The model whose published weights they are; None if they are of no known file.
        lossless: Whether converting the file back gives the same bits.
        tensors: How many were written.
        assumed: What is said of them that neither their file nor the caller says.
    """

    format: CheckpointFormat
    architecture: Architecture
    entry: Model | None
    lossless: bool
    tensors: int
    assumed: list[str]


def convert(
    file: CheckpointFile,
    name: str | None = None,
    to: str = 'openmmlab',
    folder: str | Path = '.',
    config: Config | None = None,
    source: str | None = None,
    license: str | None = None,
) -> Converted:
    """Convert the weights of a Wide-ResNet from any known format to another.

    They are compared with the network, key for key, and the result is turned back and compared
    with what was read, bit for bit.

    Args:
        file: The weights, as :func:`wrn.checkpoints.checkpoint_file.open_checkpoint` reads them.
        name: As for :func:`wrn.checkpoints.write_weights`. Defaults to None: that of the model or
            the file, with the suffix that is usual for the format.
        to: A key of :data:`wrn.checkpoints.formats.TARGETS`. Defaults to ``'openmmlab'``.
        folder: Where to write. Defaults to the current one.
        config: The config that says how images are preprocessed. Defaults to None: that of the
            model, if the file is a published one, or the one in the checkpoint, or else that of
            torchvision's first weights, or the paper's for CIFAR.
        source: Where the weights are from. Defaults to None: what is known of them, or else the
            name of the file.
        license: Their licence, as of spdx.org. Defaults to None: what is known of it.

    Returns:
        What was written.

    Raises:
        WrnError: If the weights are of another network, or cannot be read or written.
    """
    path, entry, weights = Path(file.path or file.source), file.entry, file.weights
    if weights.format is None:
        raise CheckpointError(
            f'{path}: the format of the keys is not known ({some(weights.state_dict)}); known are '
            + ', '.join(form.title for form in FORMATS)
        )
    architecture = find_architecture(weights.state_dict, str(path))
    full, assumed = describe_network(weights, architecture, str(path), entry, config)
    _check_network(full, weights.state_dict, str(path))

    form = TARGETS[to].format
    converted = _write_format(to, weights.state_dict, full.model.backbone)
    lossless = form.is_lossless(weights.state_dict)
    if lossless:
        back = form.to_openmmlab(converted)
        _check_same(back, weights.state_dict, form.drops, str(path))

    if entry:
        source = source or (entry.data.get('Converted From') or {}).get('Weights')
        license = license or entry.data.get('License')
    known = [weights.meta.pop('dataset_meta', {})]
    if entry or config:
        known.append(get_dataset_meta(full))
    for dataset_meta in known:
        if len(dataset_meta.get('classes') or ()) == architecture.num_classes:
            weights.meta.setdefault('dataset_meta', dataset_meta)
    source = source or weights.meta.get('source') or path.name
    name = _name_of_file(name, path, entry, TARGETS[to].suffix)
    meta = form.describe(describe(weights.meta, full, source, license), to, name)
    written = write_weights(folder, name, converted, meta)
    size = len(converted)
    return Converted(
        written, weights, meta, weights.format, architecture, entry, lossless, size, assumed
    )


def _name_of_file(name: str | None, path: Path, entry: Model | None, suffix: str) -> str:
    """Give the file to write the name of the model, or of the file that was read."""
    if name is None:
        name = entry.name if entry else stem_without_hash(path.name)
    return name if name.endswith(SUFFIXES) else name + suffix


def _write_format(
    to: str, state_dict: Mapping[str, Tensor], backbone: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return weights in another format, if that format means the very network of the weights."""
    network = backbone['type']
    form, _, only = TARGETS[to]
    if only not in (None, network):
        others = [name for name, other in TARGETS.items() if other.network in (None, network)]
        raise WrnError(
            f'--to {to}: is a format of {only}, but the weights are of {network}, which has '
            f'{", ".join(others)}'
        )
    converted = form.from_openmmlab(state_dict)
    if difference := find_difference(form.implies(converted).backbone, backbone):
        option, theirs, ours = difference
        raise WrnError(
            f'--to {to}: means a network with {option}={theirs!r}, but that of the weights has '
            f'{ours!r}; --to openmmlab takes every network'
        )
    if recognise(converted) is not form:
        raise WrnError(
            f'--to {to}: has no place for parts that the network of the weights has, or has others '
            'that it lacks; --to openmmlab takes every network'
        )
    return converted


def _check_network(config: Config, state_dict: Mapping[str, Tensor], path: str) -> None:
    """Check that no key is left over on either side, and all shapes are the network's."""
    with DefaultScope.overwrite_default_scope('mmpretrain'), config_errors(path), MetaInit():
        network = MODELS.build(config.model)
    check_state_dict(network, state_dict, path)


def _check_same(
    back: Mapping[str, Tensor], weights: Mapping[str, Tensor], drops: tuple[str, ...], path: str
) -> None:
    """Check that converting weights back loses nothing but what the format drops."""
    lost = {key for key in weights.keys() ^ back.keys() if not key.endswith(drops)}
    lost |= {
        key
        for key in weights.keys() & back.keys()
        if back[key] is not weights[key] and not torch.equal(back[key], weights[key])
    }
    if lost:
        raise CheckpointError(f'{path}: not written, since converting would lose {some(lost, 10)}')
