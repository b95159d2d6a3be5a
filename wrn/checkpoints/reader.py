"""Read a checkpoint file without running code from it."""

import contextlib
import io
import json
import re
import threading
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import safe_open

from wrn.checkpoints.limits import (
    MAX_DEPTH,
    MAX_HEADER,
    MAX_TENSORS,
    LimitError,
    check_archive,
    check_content,
    check_pickle,
)
from wrn.checkpoints.safe_globals import SAFE_GLOBALS, unbox
from wrn.checkpoints.tensor_hash import check_tensors
from wrn.utils.files import check_regular, explain
from wrn_base.errors import CheckpointError, UnreadableCheckpointError, one_line

_LOCK = threading.RLock()
_ZIP, _PICKLE = b'PK\x03\x04', b'\x80'
# torch's messages: for a function that it may not call, and for anything else that it refuses.
_ASKED_FOR = re.compile(r'GLOBAL ([\w.]+(?: with .+?(?= is not allowed))?)')
_REFUSED = re.compile(r'WeightsUnpickler error: (.*?)(?:\. | Check the documentation|$)')
_DAMAGED = ('PytorchStreamReader', 'EOF', 'invalid load key', 'Ran out of input')
_LEGACY_PICKLES = 5  # magic number, version, system, content, keys of the storages
_MAPPED = 64 << 20  # bytes of a .safetensors file that are mapped at once
_DOWNLOAD_AGAIN = 'download or copy it again'
_TRUSTED = 'get the weights as a plain state dict or .safetensors from a publisher that you trust'


def read_checkpoint(path: str | Path, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint: what mmengine writes, a plain state dict, or a ``.safetensors`` file.

    The format is detected from the content. Pickled files are read with ``weights_only=True`` and
    the allow-list in :mod:`wrn.checkpoints.safe_globals`.

    Args:
        path: The file.
        map_location: As for :func:`torch.load`, except that None is the CPU, so that a file saved
            on a GPU can be read without one. Defaults to None.

    Returns:
        The content of the file, except for ``meta['config']``, which mmengine would run as code. A
        ``.safetensors`` file gives ``dict(state_dict=..., meta=...)``.

    Raises:
        UnreadableCheckpointError: If the file does not exist or cannot be opened.
        CheckpointError: If the file is damaged, not a checkpoint, or tries to run code.
    """
    path = Path(path).expanduser()
    map_location = 'cpu' if map_location is None else map_location
    try:
        check_regular(path)
        with path.open('rb') as file:
            head = file.read(256)
    except OSError as error:
        raise UnreadableCheckpointError(
            f'{path}: the checkpoint {explain(error)}; give the path of a checkpoint file'
        ) from error
    if len(head) < 16:
        raise CheckpointError(f'{path}: the file is empty or truncated; {_DOWNLOAD_AGAIN}')
    if head[8:9] == b'{' and not head.startswith(_ZIP):
        checkpoint = _read_safetensors(path, map_location)
    elif head.startswith((_ZIP, _PICKLE)):
        checkpoint = _read_pickled(path, map_location, head.startswith(_ZIP))
    else:
        raise CheckpointError(f'{path}: {_not_a_checkpoint(head)}')
    # mmengine runs this text as Python when it resumes a run, to read gpu_ids from it. Only mmcv
    # 1.x wrote it; mmengine itself writes meta['cfg'].
    if isinstance(meta := checkpoint.get('meta'), dict):
        meta.pop('config', None)
    check_tensors(checkpoint, path)
    return checkpoint


def _read_safetensors(path: Path, map_location: Any) -> dict[str, Any]:
    # A function or a dict would map devices in the file, but safetensors files have none.
    device = str(map_location) if isinstance(map_location, str | torch.device) else 'cpu'
    state_dict: dict[str, Any] = {}
    try:
        with path.open('rb') as raw:
            header = int.from_bytes(raw.read(8), 'little')
        if header > MAX_HEADER:
            raise LimitError(f'a header of {header} bytes, more than {MAX_HEADER}')
        with safe_open(path, 'pt') as file:
            keys, metadata = list(file.keys()), file.metadata() or {}
        if len(keys) > MAX_TENSORS:
            raise LimitError(f'{len(keys)} tensors, more than {MAX_TENSORS}')
        while len(state_dict) < len(keys):
            # safetensors maps the file. Each tensor is copied, because writing to the file would
            # change it or crash the process. The map is closed now and then, because its pages
            # count as memory of the process.
            mapped = 0
            with safe_open(path, 'pt', device=device) as file:
                while mapped < _MAPPED and len(state_dict) < len(keys):
                    tensor = file.get_tensor(key := keys[len(state_dict)])
                    state_dict[key] = tensor.clone() if tensor.device.type == 'cpu' else tensor
                    mapped += tensor.nbytes
        meta = _decode(metadata.get('meta', ''))
    except LimitError as error:
        raise CheckpointError(f'{path}: {_refusal(error)}') from error
    except Exception as error:  # a crafted header can ask for types that torch does not have
        raise CheckpointError(
            f'{path}: the safetensors file is truncated or damaged ({one_line(error)}); '
            f'{_DOWNLOAD_AGAIN}'
        ) from error
    return dict(state_dict=state_dict, meta=meta)


def _decode(text: str) -> dict[str, Any]:
    try:
        meta = json.loads(text)
    except RecursionError as error:
        raise LimitError(f'metadata nested in more than {MAX_DEPTH} levels') from error
    except ValueError:  # an entry of this name from another tool
        return {}
    check_content(meta, MAX_HEADER)
    return meta if isinstance(meta, dict) else {}


class _ClippedFile(io.BufferedReader):
    """A file of which no more than is left can be read: Python allocates what is asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._size = path.stat().st_size

    def read(self, size: int | None = -1) -> bytes:
        """Read up to ``size`` bytes."""
        rest = max(0, self._size - self.tell())
        return super().read(rest if size is None or size < 0 else min(size, rest))


def _read_pickled(path: Path, map_location: Any, zipped: bool) -> dict[str, Any]:
    try:
        _check_file(path, zipped)
        with (
            _only_our_safe_globals(),
            _ClippedFile(path) as file,
            warnings.catch_warnings(),  # of tensors and files that are refused below
        ):
            warnings.simplefilter('ignore')
            checkpoint = torch.load(
                path if zipped else file, map_location=map_location, weights_only=True
            )
        check_content(checkpoint, path.stat().st_size, str(map_location) == 'meta')
        checkpoint = unbox(checkpoint)
    except Exception as error:
        # A damaged or hostile file can make the unpickler raise any exception.
        raise CheckpointError(f'{path}: {_refusal(error)}') from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f'{path}: holds a {type(checkpoint).__name__}, not a checkpoint; save '
            'model.state_dict() instead'
        )
    return checkpoint


def _check_file(path: Path, zipped: bool) -> None:
    """Check a file before torch reads it."""
    if zipped:
        check_archive(path)
        # As torch reads it: other readers could find another record of this name.
        record = torch._C.PyTorchFileReader(str(path)).get_record('data.pkl')
        pickles: IO[bytes] = io.BytesIO(record)
    else:
        pickles = _ClippedFile(path)
    with pickles, contextlib.suppress(ValueError, LookupError):  # torch reports a damaged pickle
        for _ in range(1 if zipped else _LEGACY_PICKLES):
            check_pickle(pickles)


@contextlib.contextmanager
def _only_our_safe_globals() -> Iterator[None]:
    """Replace torch's allow-list, which is global to the process, by ours for a while."""
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
    if isinstance(error, LimitError):
        return f'refused: {message}; no weights need that; {_TRUSTED}'
    if 'dill' in message:
        return (
            f"refused: pickled with dill, as by MadryLab's robustness, which runs code; {_TRUSTED}"
        )
    if asked := _ASKED_FOR.search(message):
        return f'refused: tries to run {asked[1]}, which no weights need; {_TRUSTED}'
    if refused := _REFUSED.search(message):
        return f'refused: {refused[1]}, which no weights need; {_TRUSTED}'
    if 'TorchScript' in message:
        return 'a TorchScript program, not weights; save its state_dict() instead'
    if isinstance(error, EOFError | zipfile.BadZipFile) or any(
        sign in message for sign in _DAMAGED
    ):
        return f'the file is truncated or damaged ({reason}); {_DOWNLOAD_AGAIN}'
    if 'inline_container' in message:
        return 'a zip archive, but not a torch checkpoint; expected a .pth or .safetensors file'
    return f'cannot be read ({reason}); if the file is truncated or damaged, {_DOWNLOAD_AGAIN}'


def _not_a_checkpoint(head: bytes) -> str:
    start = head.lstrip().lower()
    if start.startswith((b'<', b'{')):
        return (
            "a web page or a server's message, not a checkpoint (the download failed or needs a "
            'login); delete the file and download it again'
        )
    if head.startswith(b'\x89HDF'):
        return (
            'an HDF5 file, as Keras writes it, not a torch checkpoint; the TensorFlow networks of '
            "uncertainty-baselines have 'same' padding and shortcuts from the unactivated input, "
            'which no network here computes; give weights of PyTorch'
        )
    if start.startswith(b'version https://git-lfs'):
        return 'a Git LFS pointer, not the weights; run `git lfs pull` to download them'
    return f'not a checkpoint (starts with {head[:16]!r}); expected a .pth or .safetensors file'
