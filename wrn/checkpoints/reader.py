"""Read a checkpoint file without ever running code from it."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from wrn.checkpoints.safe_globals import SAFE_GLOBALS, unbox
from wrn.utils.errors import CheckpointError

_LOCK = threading.RLock()
_ZIP, _PICKLE = b'PK\x03\x04', b'\x80'
# What torch's unpickler says of a function that it may not call, and of all else that it refuses.
_ASKED_FOR = re.compile(r'GLOBAL ([\w.]+(?: with .+?(?= is not allowed))?)')
_REFUSED = re.compile(r'WeightsUnpickler error: (.*?)(?:\. | Check the documentation|$)')
_DAMAGED = ('PytorchStreamReader', 'EOF', 'invalid load key', 'Ran out of input')
_DOWNLOAD_AGAIN = 'download or copy it again'
_TRUSTED = 'get the weights as a plain state dict or .safetensors from a source that you trust'


def read_checkpoint(path: str | Path, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint: what mmengine writes, a plain state dict, or a ``.safetensors`` file.

    The format is recognised from the content. Pickled files are read with ``weights_only=True``
    and the allow-list of :mod:`wrn.checkpoints.safe_globals`.

    Args:
        path: The file.
        map_location: Where to put the tensors, as for :func:`torch.load`, except that None, too,
            is the CPU: a file saved on a GPU is read where there is none. Defaults to None.

    Returns:
        The content as it lies in the file, without ``meta['config']``, a text that mmengine would
        run. A ``.safetensors`` file gives ``dict(state_dict=..., meta=...)``, with what
        :func:`wrn.checkpoints.write_weights` put in.

    Raises:
        CheckpointError: If the file is missing, truncated, not a checkpoint, or wants to run code.
    """
    path = Path(path).expanduser()
    map_location = 'cpu' if map_location is None else map_location
    try:
        with path.open('rb') as file:
            head = file.read(256)
    except OSError as error:
        what = {
            FileNotFoundError: 'does not exist',
            IsADirectoryError: 'is a folder',
        }.get(type(error), f'cannot be read ({error.strerror})')
        raise CheckpointError(
            f'{path}: the checkpoint {what}; give the path of a checkpoint file'
        ) from error
    if len(head) < 16:
        raise CheckpointError(f'{path}: the file is empty or truncated; {_DOWNLOAD_AGAIN}')
    if head[8:9] == b'{' and not head.startswith(_ZIP):
        return _without_code(_read_safetensors(path, map_location))
    if head.startswith((_ZIP, _PICKLE)):
        return _without_code(_read_pickled(path, map_location))
    raise CheckpointError(f'{path}: {_not_a_checkpoint(head)}')


def _without_code(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Remove ``meta['config']``: when a run is resumed, mmengine runs that text as Python.

    mmcv 1.x wrote it. mmengine looks in it for ``gpu_ids`` alone; its own runs write ``cfg``.
    """
    if isinstance(meta := checkpoint.get('meta'), dict):
        meta.pop('config', None)
    return checkpoint


def _read_safetensors(path: Path, map_location: Any) -> dict[str, Any]:
    # A function or a dict, which map one device to another, do not apply: there is none inside.
    device = str(map_location) if isinstance(map_location, str | torch.device) else 'cpu'
    try:
        with safe_open(path, 'pt') as file:
            keys, metadata = list(file.keys()), file.metadata() or {}
        state_dict = {}
        for key in keys:
            # The library maps the file. A tensor is copied out of the map, because it would
            # change, or crash the process, when somebody writes to the file; and the map is
            # closed after each, because its pages would count twice in the process's memory.
            with safe_open(path, 'pt', device=device) as file:
                tensor = file.get_tensor(key)
                state_dict[key] = tensor.clone() if tensor.device.type == 'cpu' else tensor
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f'{path}: the safetensors file is truncated or damaged ({error}); {_DOWNLOAD_AGAIN}'
        ) from error
    return dict(state_dict=state_dict, meta=_decode(metadata.get('meta', '')))


def _decode(text: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError):  # another tool's entry of the same name
        if isinstance(meta := json.loads(text), dict):
            return meta
    return {}


def _read_pickled(path: Path, map_location: Any) -> dict[str, Any]:
    try:
        with _only_our_safe_globals():
            checkpoint = torch.load(path, map_location=map_location, weights_only=True)
        checkpoint = unbox(checkpoint)
    except Exception as error:
        # A damaged or hostile file makes the unpickler raise whatever it likes; each of these
        # means that the file is refused.
        raise CheckpointError(f'{path}: {_refusal(error)}') from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f'{path}: holds a {type(checkpoint).__name__}, not a checkpoint; save '
            'model.state_dict() instead'
        )
    return checkpoint


@contextlib.contextmanager
def _only_our_safe_globals() -> Iterator[None]:
    """Put aside what others have added to torch's list, which holds for the whole process."""
    with _LOCK:
        others = torch.serialization.get_safe_globals()
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(SAFE_GLOBALS)
        try:
            yield
        finally:
            torch.serialization.clear_safe_globals()
            torch.serialization.add_safe_globals(others)


def _refusal(error: Exception) -> str:
    message = ' '.join(str(error).split())
    reason = message.partition('. ')[0] or type(error).__name__
    if 'dill' in message:
        return (
            "refused, because it is pickled with dill, as MadryLab's robustness does, and that "
            f'runs code; {_TRUSTED}'
        )
    if asked := _ASKED_FOR.search(message):
        return f'refused, because it asks to run {asked[1]}, which no weights need; {_TRUSTED}'
    if refused := _REFUSED.search(message):
        return f'refused ({refused[1]}), since no weights need that; {_TRUSTED}'
    if 'TorchScript' in message:
        return 'is a TorchScript program, not weights; save its state_dict() instead'
    if isinstance(error, EOFError) or any(sign in message for sign in _DAMAGED):
        return f'the file is truncated or damaged ({reason}); {_DOWNLOAD_AGAIN}'
    if 'inline_container' in message:
        return 'is a zip archive, but not a torch checkpoint; expected .pth or .safetensors'
    return f'cannot be read ({reason}); if the file is truncated or damaged, {_DOWNLOAD_AGAIN}'


def _not_a_checkpoint(head: bytes) -> str:
    start = head.lstrip().lower()
    if start.startswith((b'<', b'{')):
        return (
            "is a web page or a server's message, not a checkpoint: the download failed or needs a "
            'login; delete the file and download the weights again'
        )
    if head.startswith(b'\x89HDF'):
        return (
            'is an HDF5 file, not a torch checkpoint; Keras writes such files, and the networks of '
            "uncertainty-baselines in them pad as TensorFlow does ('same') and take the shortcut "
            'from the unactivated input, which no network here computes'
        )
    if start.startswith(b'version https://git-lfs'):
        return 'is a Git LFS pointer, not the weights; run `git lfs pull` to fetch them'
    return f'is not a checkpoint (it starts with {head[:16]!r}); expected .pth or .safetensors'
