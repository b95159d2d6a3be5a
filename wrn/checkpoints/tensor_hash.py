"""A hash of the weights in a file, which the file's own metadata holds."""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wrn_base.errors import CheckpointError

KEY = 'sha256_of_tensors'


def hash_tensors(state_dict: Mapping[str, Any]) -> str | None:
    """Return a SHA-256 of weights: of a JSON list of the key, dtype, shape and SHA-256 of each.

    Args:
        state_dict: The weights.

    Returns:
        The hash in hexadecimal digits. None if a key is not a text, or a value is not a dense,
        contiguous tensor.
    """
    named = all(isinstance(key, str) for key in state_dict)
    if not named or not all(map(_is_plain, state_dict.values())):
        return None
    keys = sorted(state_dict)
    with ThreadPoolExecutor() as executor:
        digests = executor.map(_hash_tensor, [state_dict[key] for key in keys])
        entries = [
            [key, str(state_dict[key].dtype), list(state_dict[key].shape), digest]
            for key, digest in zip(keys, digests, strict=True)
        ]
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()


def _is_plain(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not (value.is_quantized or value.is_conj() or value.is_neg() or value.is_meta)
        and value.is_contiguous()
    )


def _hash_tensor(tensor: Tensor) -> str:
    content = tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy()
    return hashlib.sha256(content.data).hexdigest()


def check_tensors(checkpoint: Mapping[str, Any], path: str | Path) -> None:
    """Compare the weights of a file with the hash in its metadata, if there is one.

    Args:
        checkpoint: The content of the file.
        path: The file, for the message.

    Raises:
        CheckpointError: If they differ.
    """
    meta, state_dict = checkpoint.get('meta'), checkpoint.get('state_dict')
    if not isinstance(meta, dict) or KEY not in meta:
        return
    if not isinstance(state_dict, Mapping) or hash_tensors(state_dict) != meta[KEY]:
        raise CheckpointError(
            f'{path}: its tensors were changed or damaged after it was published (their SHA-256 is '
            f'not that in its metadata); download or copy it again, or remove {KEY} from the '
            'metadata if you changed them'
        )
