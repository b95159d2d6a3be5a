"""Resolve a model argument, in the same way for every function and command that takes one."""

import copy
import shlex
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal, TypeAlias

import mmpretrain
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmpretrain.apis.model import ModelHub
from modelindex.models.Model import Model
from torch import nn

from wrn.checkpoints import ReadOptions
from wrn.checkpoints.checkpoint_file import CheckpointFile, open_checkpoint
from wrn.checkpoints.network_config import read_model_config
from wrn.config.config_file import CONFIG_SUFFIXES, get_config_text, read_config
from wrn.config.config_parts import check_values
from wrn.deploy.classifier import is_model
from wrn.deploy.export import is_exported, load_exported
from wrn_base import model_index
from wrn_base.errors import WrnError, did_you_mean

ModelLike: TypeAlias = str | PathLike[str] | Config | BaseModel
Kind: TypeAlias = Literal['name', 'config', 'weights', 'exported', 'model']

_WEIGHTS_SUFFIXES = ('.safetensors', '.pth', '.pt', '.pt7', '.bin', '.ckpt', '.tar')


@dataclass(frozen=True)
class ResolvedModel:
    """The meaning of a model argument.

    Attributes:
        kind: ``'name'`` of a model, ``'config'``, file of ``'weights'``, ``'exported'`` file, or
            built ``'model'``.
        name: The name of the model, or the path or URL of the file, for messages.
        config: The config of the model. None for a built model without one, and for a file of
            weights: :meth:`get_config` reads the config from the file.
        entry: The entry of the model in the index. None if it has none.
        checkpoint: The path or URL of the model's own weights, downloaded if the model is a file of
            weights. None if it has none.
        file: The contents of the file of weights.
        network: The built model, or the exported file in its runtime.
    """

    kind: Kind
    name: str
    config: Config | None = None
    entry: Model | None = None
    checkpoint: str | None = None
    file: CheckpointFile | None = None
    network: BaseModel | None = None

    @property
    def is_upstream(self) -> bool:
        """Whether it is the name of a model of mmpretrain."""
        return self.kind == 'name' and self.name.lower() not in model_index.models()

    def get_config(self) -> Config:
        """Return a copy of the config. For a file of weights, read the config from it.

        Raises:
            WrnError: If there is no config, or if the config in the file is not allowed.
        """
        config = self.config
        if config is None and self.file:
            config = read_model_config(self.file.weights, self.name)
            if config is None and self.file.entry:
                config = read_config(self.file.entry.config)
        if config is None:
            text = get_config_text(self.file.weights.meta) if self.file else None
            what = 'no config of plain values' if text else 'no config of its network'
            raise WrnError(
                f'{self.name}: contains {what}; give the config that the weights '
                'were trained with as the model, and this file as the checkpoint'
            )
        return copy.deepcopy(config)

    @property
    def template(self) -> str | None:
        """The name of the shipped config, which nobody wrote for other weights; None for others."""
        if self.kind == 'name' or (self.kind == 'config' and is_shipped(self.name)):
            return self.name
        return None

    def read_weights(
        self,
        url_mapping: tuple[str, str] | None = None,
        options: ReadOptions = ReadOptions(),
    ) -> CheckpointFile:
        """Read the model's own weights. A file of weights is not read again.

        Args:
            url_mapping: As in :func:`wrn.get_model`. Defaults to None.
            options: What to take from the file. Defaults to the usual.

        Raises:
            WrnError: If the model has no weights, or they cannot be read.
        """
        if self.file is not None:
            return self.file
        if self.checkpoint is None:
            raise WrnError(f'{self.name}: no pretrained weights; give a file of weights')
        typed = self.kind != 'config'
        return open_checkpoint(self.checkpoint, options, url_mapping, typed)


def resolve(
    model: ModelLike,
    device: str | torch.device | None = None,
    options: ReadOptions = ReadOptions(),
    url_mapping: tuple[str, str] | None = None,
) -> ResolvedModel:
    """Resolve a model argument.

    The first that applies, in this order: a built model; a config; a path with the suffix of an
    exported file; a path with the suffix of a config; a URL; a path that has the suffix of weights
    or exists; the name of a model here, or of its weights in another library; the file name of a
    shipped config; the name of a model of mmpretrain.

    Args:
        model: A model, a config, a path, a URL or a name.
        device: The device that runs an exported file. Defaults to None, the CPU.
        options: What to take from a file of weights. Defaults to the usual.
        url_mapping: As in :func:`wrn.get_model`. Defaults to None.

    Returns:
        The meaning of the argument. A file of weights is read by this call, and only once.

    Raises:
        WrnError: If the name is unknown, if it has several sets of weights, or if a file cannot be
            read.
    """
    if is_model(model):
        config, entry = (getattr(model, name, None) for name in ('_config', '_metainfo'))
        return ResolvedModel('model', type(model).__name__, config, entry, network=model)
    if isinstance(model, nn.Module):
        raise WrnError(
            f'{type(model).__name__}: not a model with its config; give one from wrn.get_model, '
            'without wrappers'
        )
    if isinstance(model, Config):
        name = str(model.filename or 'config')
        check_values(model)
        return ResolvedModel('config', name, model, checkpoint=model.get('load_from'))
    name = str(model)
    if is_name(name):
        return _resolve_name(name.removeprefix(model_index.SCHEME))
    if is_exported(name):
        network = load_exported(name, device)
        return ResolvedModel('exported', name, network._config, network=network)
    if Path(name).suffix in CONFIG_SUFFIXES:
        return _resolve_config(name)
    file = open_checkpoint(name, options, url_mapping)
    return ResolvedModel('weights', file.name, None, file.entry, str(file.path or name), file)


def is_shipped(config: str | PathLike[str]) -> bool:
    """Return whether the path of a config is that of a shipped one."""
    return Path(config).resolve().is_relative_to(model_index.root() / 'configs')


def is_name(model: str) -> bool:
    """Return whether a string is the name of a model or ``wrn://NAME``, not a path or URL."""
    if model.startswith(model_index.SCHEME):
        return True
    is_file = Path(model).suffix in (*CONFIG_SUFFIXES, *_WEIGHTS_SUFFIXES) or Path(model).is_file()
    return not (is_file or is_exported(model) or '://' in model)


def _resolve_config(path: str | PathLike[str]) -> ResolvedModel:
    config = read_config(path)
    check_values(config)
    return ResolvedModel('config', str(path), config, checkpoint=config.get('load_from'))


def _resolve_name(name: str) -> ResolvedModel:
    if entry := copy.deepcopy(model_index.find(name)):
        config = entry.config = read_config(entry.config)
        return ResolvedModel('name', entry.name, config, entry, entry.weights)
    model_index.reject_ambiguous(name)
    if path := model_index.find_config(name):
        return _resolve_config(path)
    _reject_folder(name)
    _check_upstream_name(name)
    entry = ModelHub.get(name)
    return ResolvedModel('name', entry.name, entry.config, entry, entry.weights)


def _reject_folder(name: str) -> None:
    """Raise an error if a name is the path of a folder, of weights or of images."""
    if not Path(name).is_dir():
        return
    files = sorted(path for path in Path(name).iterdir() if path.suffix in _WEIGHTS_SUFFIXES)
    folder = shlex.quote(name)
    cure = (
        f'`wrn finetune {folder}` trains on images in it, and `wrn test MODEL --data {folder}` '
        'tests on them'
    )
    if files:
        cure = f'give a file in it, such as {files[0]}'
    raise WrnError(f'{name}: is a folder, not a model; {cure}')


def _check_upstream_name(name: str) -> None:
    """Raise an error with similar names if mmpretrain has no model of this name."""
    known = mmpretrain.list_models()
    if name.lower() in known:
        return
    path = Path(name)
    for suffix in (*CONFIG_SUFFIXES, *_WEIGHTS_SUFFIXES):
        if path.with_name(path.name + suffix).is_file():
            raise WrnError(f"unknown model '{name}'; did you mean '{name}{suffix}'?")
    shipped = [path.stem for path in model_index.root().glob('configs/wrn/*.py')]
    hint = did_you_mean(name.lower(), [*model_index.models(), *shipped])
    hint = hint or did_you_mean(name.lower(), known, '; `wrn list` shows the Wide-ResNets')
    raise WrnError(f"unknown model '{name}'{hint}")
