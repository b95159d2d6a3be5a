"""Convert the weights of Wide-ResNets between their published formats."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from modelindex.models.Model import Model
from torch import Tensor

from wrn.checkpoints import write_weights
from wrn.checkpoints.architecture import Architecture, find_architecture
from wrn.checkpoints.checkpoint_file import CheckpointFile
from wrn.checkpoints.fit import check_fit
from wrn.checkpoints.formats import TARGETS, recognize
from wrn.checkpoints.formats.checkpoint_format import CheckpointFormat
from wrn.checkpoints.network_config import describe_network
from wrn.checkpoints.network_options import find_differences
from wrn.checkpoints.publish import Published, make_meta
from wrn.checkpoints.writer import SUFFIXES
from wrn.config.config_errors import config_errors
from wrn.config.config_parts import get_dataset_meta
from wrn.data.images import Preprocessing
from wrn.download import stem_without_hash
from wrn_base.errors import CheckpointError, WrnError, some


@dataclass
class Converted(Published):
    """A file of weights that was converted.

    Attributes:
        read: The name of the file that was read.
        format: Its format.
        architecture: The network.
        entry: The published model that the weights belong to; None for any other file.
        loss: What is lost by converting; None if converting the file back gives the same bits.
        tensors: The number of tensors in the file.
    """

    read: str
    format: CheckpointFormat
    architecture: Architecture
    entry: Model | None
    loss: str | None
    tensors: int


def convert(
    file: CheckpointFile,
    name: str | None = None,
    to: str = 'openmmlab',
    folder: str | Path = '.',
    config: Config | None = None,
    source: str | None = None,
    license: str | None = None,
    overwrite: bool = False,
) -> Converted:
    """Convert the weights of a Wide-ResNet from any known format to another.

    The keys and shapes are compared with those of the network. The result is converted back and
    compared with the input bit for bit.

    Args:
        file: The weights, from :func:`wrn.checkpoints.checkpoint_file.open_checkpoint`.
        name: As for :func:`wrn.checkpoints.write_weights`. Defaults to None: the name of the
            published model or of the file that was read, with the usual suffix of the format.
        to: A key of :data:`wrn.checkpoints.formats.TARGETS`. Defaults to ``'openmmlab'``.
        folder: Where to write. Defaults to the current folder.
        config: A config with the preprocessing and the options of the network. Defaults to None:
            the config of the published model, or the one in the file, or that of torchvision's
            first weights for ImageNet and of the paper for CIFAR.
        source: The provenance of the weights. Defaults to None: what is known, or the name of the
            file that was read.
        license: Their license, an SPDX identifier. Defaults to None: what is known.
        overwrite: Whether to replace a file that exists. Defaults to False.

    Raises:
        WrnError: If the weights do not belong to a Wide-ResNet, cannot be expressed in the format,
            or cannot be written, or if the file exists.
    """
    path, entry, weights = Path(file.path or file.name), file.entry, file.weights
    source_format = weights.require_format(str(path))
    architecture = find_architecture(weights.state_dict, str(path))
    full = describe_network(weights, architecture, str(path), entry, config)
    check_fit(weights, full, str(path))
    if config:
        with config_errors(config.filename):
            Preprocessing(config).example(1)

    form, suffix, _ = TARGETS[to]
    converted = _write_format(to, weights.state_dict, full.model.backbone)
    loss = form.find_loss(weights.state_dict)
    if loss is None:
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
    if name is None:
        name = entry.name if entry else stem_without_hash(path.name)
    name = name if name.endswith(SUFFIXES) else name + suffix
    meta = form.describe(make_meta(weights.meta, full, source, license), to, name)
    written = write_weights(folder, name, converted, meta, overwrite)
    return Converted(
        written, weights, meta, file.name, source_format, architecture, entry, loss, len(converted)
    )


def _write_format(
    to: str, state_dict: Mapping[str, Tensor], backbone: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return weights in another format, after a check that it implies the network of the weights.

    Args:
        to: A key of :data:`wrn.checkpoints.formats.TARGETS`.
        state_dict: The weights, with OpenMMLab's keys.
        backbone: The config of the network's backbone.

    Raises:
        WrnError: If the format implies another network, or has no place for some of the weights.
    """
    network = backbone['type']
    form, _, only = TARGETS[to]
    if only not in (None, network):
        others = [name for name, other in TARGETS.items() if other.network in (None, network)]
        raise WrnError(
            f'--to {to}: is a format for {only}, but the weights are those of a {network}; give '
            f'one of {", ".join(others)}'
        )
    converted = form.from_openmmlab(state_dict)
    for option, (theirs, ours) in find_differences(
        form.implies(converted).backbone, backbone
    ).items():
        raise WrnError(
            f'--to {to}: implies {option}={theirs!r}, but the network has {ours!r}; --to openmmlab '
            'can hold every network'
        )
    if recognize(converted) is not form:
        raise WrnError(
            f'--to {to}: cannot hold all parts of the network, or needs parts that are missing; '
            '--to openmmlab can hold every network'
        )
    return converted


def _check_same(
    back: Mapping[str, Tensor], weights: Mapping[str, Tensor], drops: tuple[str, ...], path: str
) -> None:
    """Check that weights converted back are the same bits, except for those that are dropped."""
    lost = {key for key in weights.keys() ^ back.keys() if not key.endswith(drops)}
    lost |= {
        key
        for key in weights.keys() & back.keys()
        if back[key] is not weights[key]
        and (back[key].dtype != weights[key].dtype or not torch.equal(back[key], weights[key]))
    }
    if lost:
        raise CheckpointError(f'{path}: converting would lose {some(lost, 10)}; use --to openmmlab')
