"""Write weights for others to use."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from wrn.utils.errors import WrnError
from wrn.utils.files import write_with_hash

SUFFIXES = ('.safetensors', '.pth')


def write_weights(
    folder: str | Path,
    name: str,
    state_dict: Mapping[str, Tensor],
    meta: Mapping[str, Any] | None,
) -> Path:
    """Write weights as ``NAME-HASH.safetensors`` or ``.pth``; HASH begins the file's SHA-256.

    The same weights, in the same order, give the same file.

    Args:
        folder: Where to write; it is made if it does not exist.
        name: The name without hash. If it ends in ``.pth``, the file is a torch checkpoint,
            ``dict(state_dict=..., meta=...)``; else, or if it ends so, a ``.safetensors`` file.
        state_dict: The weights.
        meta: What to say of them, such as ``dataset_meta``; values that JSON can express, or
            numpy's. None writes a ``.pth`` that is the state dict alone.

    Returns:
        The path of the file.

    Raises:
        WrnError: If the name has a folder in it, or the folder cannot be written to.
    """
    if Path(name).name != name or not name.removesuffix('.pth').removesuffix('.safetensors'):
        raise WrnError(
            f"'{name}': must be the name of a file without a folder; --folder says where to write"
        )
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), SUFFIXES[0])
    weights: dict[str, Tensor] = {}
    storages: set[int] = set()
    for key, value in state_dict.items():
        weights[key] = _alone(value.detach(), storages)
    text = json.dumps(meta or {}, sort_keys=True, default=lambda array: array.tolist())

    def write(path: Path) -> None:
        try:
            if suffix == '.pth':
                content = (
                    weights if meta is None else dict(meta=json.loads(text), state_dict=weights)
                )
                with path.open('wb') as file:  # by its name, torch would name the archive in it
                    torch.save(content, file)
            else:
                # One entry, because safetensors writes several in random order, and so the hash.
                save_file(weights, path, {'meta': text})
        except (SafetensorError, RuntimeError) as error:  # as these libraries say of a full disk
            raise OSError(str(error)) from error

    return write_with_hash(folder, name.removesuffix(suffix), suffix, write)


def _alone(value: Tensor, storages: set[int]) -> Tensor:
    """Copy a tensor that shares its memory: safetensors refuses it, torch saves all of that."""
    storage = value.untyped_storage()
    shared = storage.data_ptr() in storages or storage.nbytes() != value.nbytes
    storages.add(storage.data_ptr())
    return value.clone().contiguous() if shared else value.contiguous()
