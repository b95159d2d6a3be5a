"""Strip a training checkpoint to a file of weights for others to use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from wrn.checkpoints import ReadOptions, Weights, read_checkpoint, to_openmmlab, write_weights
from wrn.config.config_file import read_own_config
from wrn.config.config_parts import get_test_dataset
from wrn.models.initialization import drop_files
from wrn_base.credentials import mask_credentials

_TIME = re.compile(r'_\d{8}_\d{6}(_\d+)?$')  # mmengine appends it to the name of a run

_MAX_FORMATTED = 1 << 14  # letters of a config; longer text would take from seconds to minutes


@dataclass
class Published:
    """A file of weights that was written.

    Attributes:
        path: The file.
        weights: What was read, under OpenMMLab's keys.
        meta: The metadata in the file; None if its format has no place for any.
    """

    path: Path
    weights: Weights
    meta: dict[str, Any] | None


def publish(
    checkpoint: str,
    name: str,
    folder: str | Path = '.',
    options: ReadOptions = ReadOptions(),
    source: str | None = None,
    license: str | None = None,
    overwrite: bool = False,
) -> Published:
    """Strip a checkpoint to its weights and the metadata that their users need.

    Args:
        checkpoint: The path of a checkpoint that ``wrn train`` wrote.
        name: As for :func:`wrn.checkpoints.write_weights`.
        folder: Where to write. Defaults to the current folder.
        options: What to take from the checkpoint. Defaults to the usual.
        source: The provenance of the weights. Defaults to None: what the checkpoint states, or the
            name of the training run.
        license: Their license, an SPDX identifier. Defaults to None: what the checkpoint states.
        overwrite: Whether to replace a file that exists. Defaults to False.

    Raises:
        WrnError: If the checkpoint cannot be read, or the file cannot be written or exists.
    """
    weights = to_openmmlab(read_checkpoint(checkpoint), checkpoint, options)
    source = source or weights.meta.get('source')
    if source is None and (run := weights.meta.get('experiment_name')):
        source = f'trained as {_TIME.sub("", str(run))}'
    meta = make_meta(weights.meta, read_own_config(weights.meta), source, license)
    path = write_weights(folder, name, weights.state_dict, meta, overwrite)
    return Published(path, weights, meta)


def make_meta(
    meta: Mapping[str, Any], config: Config | None, source: str | None, license: str | None
) -> dict[str, Any]:
    """Return the metadata to write into a file of weights.

    Args:
        meta: The ``meta`` of the checkpoint with the weights.
        config: The config of the network.
        source: The provenance of the weights.
        license: Their license; None for the one in ``meta``.

    Returns:
        ``source``, ``license``, ``dataset_meta`` with the class names, ``normalization``,
        ``assumed`` and ``cfg``, as far as they are known.
    """
    known = {
        'source': mask_credentials(source) if source else None,
        'license': license or meta.get('license'),
        'dataset_meta': meta.get('dataset_meta'),
        'normalization': meta.get('normalization'),
        'assumed': meta.get('assumed'),
        'cfg': _shorten(config, meta.get('normalization') or {}).pretty_text if config else None,
    }
    return {key: value for key, value in known.items() if value}


def _shorten(config: Config, normalization: Mapping[str, Any]) -> Config:
    """Return the part of a config that builds the network and its preprocessing."""
    dataset = get_test_dataset(config)
    model = drop_files(config.model.to_dict())  # their paths are private
    preprocessor = model.pop('data_preprocessor', None) or config.get('data_preprocessor') or {}
    parts = dict(
        custom_imports=dict(imports=['wrn'], allow_failed_imports=False),
        default_scope='mmpretrain',
        model=model,
        data_preprocessor={**preprocessor, **normalization},
        test_dataloader=dict(
            dataset=dict(type=dataset.get('type', 'ImageNet'), pipeline=dataset.pipeline)
        ),
    )
    return Config(parts, format_python_code=len(str(parts)) < _MAX_FORMATTED)
