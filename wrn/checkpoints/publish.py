"""Make a file of weights for others to use out of a training checkpoint."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from wrn.checkpoints import Weights, read_checkpoint, to_openmmlab, write_weights
from wrn.config.config_file import read_own_config
from wrn.config.config_parts import get_test_dataset

_TIME = re.compile(r'_\d{8}_\d{6}$')  # mmengine ends the name of a run with it


@dataclass
class Published:
    """A file of weights that was written.

    Attributes:
        path: The file.
        weights: What was read: the weights under OpenMMLab's keys, and where they lay.
        meta: What the file says of them; None if it has no room for that.
    """

    path: Path
    weights: Weights
    meta: dict[str, Any] | None


def publish(
    checkpoint: str,
    name: str,
    folder: str | Path = '.',
    key: str | None = None,
    source: str | None = None,
    license: str | None = None,
) -> Published:
    """Strip a checkpoint to its weights, and what their users need to know.

    Args:
        checkpoint: The path of a checkpoint that ``wrn train`` wrote.
        name: As for :func:`wrn.checkpoints.write_weights`.
        folder: Where to write. Defaults to the current one.
        key: The weights to take of several, such as ``ema_state_dict``. Defaults to None: those
            under ``state_dict``.
        source: Where the weights are from. Defaults to None: what the checkpoint says, or else
            the name of the training run.
        license: Their licence, as of spdx.org. Defaults to None: what the checkpoint says.

    Returns:
        What was written.

    Raises:
        WrnError: If the checkpoint cannot be read, or the file not written.
    """
    weights = to_openmmlab(read_checkpoint(checkpoint), checkpoint, key)
    source = source or weights.meta.get('source')
    if source is None and (run := weights.meta.get('experiment_name')):
        source = f'trained as {_TIME.sub("", str(run))}'
    meta = describe(weights.meta, read_own_config(weights.meta, checkpoint), source, license)
    return Published(write_weights(folder, name, weights.state_dict, meta), weights, meta)


def describe(
    meta: Mapping[str, Any], config: Config | None, source: str | None, license: str | None
) -> dict[str, Any]:
    """Choose what a file of weights says of them.

    Args:
        meta: The ``meta`` of the checkpoint that they are from.
        config: The config of the network.
        source: Where the weights are from.
        license: Their licence. Defaults to what ``meta`` says.

    Returns:
        ``source``, ``license``, ``dataset_meta`` with the names of the classes, ``normalization``
        and ``cfg``, as far as they are known.
    """
    known = {
        'source': source,
        'license': license or meta.get('license'),
        'dataset_meta': meta.get('dataset_meta'),
        'normalization': meta.get('normalization'),
        'cfg': _shorten(config, meta.get('normalization') or {}).pretty_text if config else None,
    }
    return {key: value for key, value in known.items() if value}


def _shorten(config: Config, normalization: Mapping[str, Any]) -> Config:
    """Keep what builds the network and prepares its pictures; the rest is its trainer's matter."""
    dataset = get_test_dataset(config)
    model = config.model.to_dict()
    preprocessor = model.pop('data_preprocessor', None) or config.get('data_preprocessor') or {}
    for part in (model, model.get('backbone') or {}):
        if (part.get('init_cfg') or {}).get('type') == 'Pretrained':  # a file of the trainer's
            del part['init_cfg']
    return Config(
        dict(
            custom_imports=dict(imports=['wrn'], allow_failed_imports=False),
            default_scope='mmpretrain',
            model=model,
            data_preprocessor={**preprocessor, **normalization},
            test_dataloader=dict(
                dataset=dict(type=dataset.get('type', 'ImageNet'), pipeline=dataset.pipeline)
            ),
        )
    )
