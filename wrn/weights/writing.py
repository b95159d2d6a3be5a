"""Write weights for others to use."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from wrn.errors import WrnError
from wrn.files import write_atomically


def write_weights(
    folder: str | Path, name: str, state_dict: Mapping[str, Tensor], meta: Mapping[str, Any]
) -> Path:
    """Write weights as ``NAME-HASH.safetensors``, where HASH begins the file's SHA-256.

    Args:
        folder: Where to write; it is made if it does not exist.
        name: The name without hash and extension.
        state_dict: The weights.
        meta: What to say of them, such as ``dataset_meta``; values that JSON can express, or
            numpy's.

    Returns:
        The path of the file.

    Raises:
        WrnError: If the name has a folder in it, or the folder cannot be written to.
    """
    if Path(name).name != name:
        raise WrnError(f"'{name}': the name of the weights must not have a folder in it")
    # One entry, because safetensors writes several in random order, and the hash with it.
    metadata = {'meta': json.dumps(meta, sort_keys=True, default=lambda array: array.tolist())}
    # Copies, because safetensors refuses tensors that share memory.
    weights = {key: value.clone().contiguous() for key, value in state_dict.items()}
    content = save(weights, metadata)
    path = Path(folder, f'{name}-{hashlib.sha256(content).hexdigest()[:8]}.safetensors')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrnError(f'{folder}: the folder cannot be made ({error.strerror})') from error
    with write_atomically(path) as file:
        file.write(content)
    return path
