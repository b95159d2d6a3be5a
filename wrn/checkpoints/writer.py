"""Write files of weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from wrn.checkpoints.tensor_hash import KEY, hash_tensors
from wrn.utils.files import write_with_hash
from wrn_base.errors import WrnError, some

SUFFIXES = ('.safetensors', '.pth')


def write_weights(
    folder: str | Path,
    name: str,
    state_dict: Mapping[str, Tensor],
    meta: Mapping[str, Any] | None,
    overwrite: bool = False,
) -> Path:
    """Write weights to ``NAME-HASH.safetensors`` or ``.pth``.

    HASH is the beginning of the file's SHA-256. The same weights in the same order give the same
    file.

    Args:
        folder: Where to write. It is created if it does not exist.
        name: The name without hash. With ``.pth`` at its end, the file is a torch checkpoint,
            ``dict(state_dict=..., meta=...)``. Otherwise it is a ``.safetensors`` file.
        state_dict: The weights.
        meta: The metadata, such as ``dataset_meta``: values of JSON or numpy. The hash of the
            weights is added, and compared whenever the file is read. None makes a ``.pth``
            file a plain state dict.
        overwrite: Whether to replace a file that exists. Defaults to False.

    Returns:
        The path of the file.

    Raises:
        WrnError: If the name contains a folder, a tensor is sparse or quantized, the folder
            cannot be written to, or the file exists.
    """
    if Path(name).name != name or not name.removesuffix('.pth').removesuffix('.safetensors'):
        raise WrnError(f'{name!r}: not a file name; give the folder with --folder')
    if unusual := [key for key, value in state_dict.items() if not _is_dense(value)]:
        raise WrnError(
            f'{name}: not written, since these are no dense tensors: {some(unusual)}; give the '
            'weights from before quantization or pruning'
        )
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), SUFFIXES[0])
    storages: set[int] = set()
    weights = {key: _unshare(value.detach(), storages) for key, value in state_dict.items()}
    meta = None if meta is None else {**meta, KEY: hash_tensors(weights)}
    text = json.dumps(meta or {}, sort_keys=True, default=lambda array: array.tolist())

    def write(path: Path) -> None:
        try:
            if suffix == '.pth':
                content = (
                    weights if meta is None else dict(meta=json.loads(text), state_dict=weights)
                )
                # Given a path, torch would write its name into the file.
                with path.open('wb') as file:
                    torch.save(content, file)
            else:
                # One entry: safetensors writes several in random order, which changes the hash.
                save_file(weights, path, {'meta': text})
        except (SafetensorError, RuntimeError) as error:  # how these libraries report a full disk
            reason = error.__context__  # torch has an error of its own after it
            raise (reason if isinstance(reason, OSError) else OSError(str(error))) from error

    return write_with_hash(folder, name.removesuffix(suffix), suffix, write, overwrite)


def _is_dense(value: Tensor) -> bool:
    return value.layout == torch.strided and not value.is_quantized


def _unshare(value: Tensor, storages: set[int]) -> Tensor:
    """Copy a tensor that is not alone in its storage.

    safetensors refuses such tensors, and torch would save the whole storage.
    """
    storage = value.untyped_storage()
    shared = storage.data_ptr() in storages or storage.nbytes() != value.nbytes
    storages.add(storage.data_ptr())
    return value.clone().contiguous() if shared else value.contiguous()
