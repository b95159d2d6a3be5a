"""Keep the features of images on disk, in bounded space, for later runs."""

import contextlib
import hashlib
import logging
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from wrn.utils.files import check_regular, write_with_hash
from wrn.utils.scratch import remove_scratch
from wrn_base.errors import WrnError, one_line
from wrn_base.home import find_home

LIMIT = 'WRN_FEATURES_GB'
_DEFAULT_LIMIT = 4.0  # gigabytes: half a million images with 2048 features
_MAX_BLOCK = 64 << 20  # bytes of a file to read; the ones that are written have half of that
_NAME, _SUFFIX = 'block', '.safetensors'
_DIGEST = 32  # bytes of a SHA-256
_logger = logging.getLogger('wrn')


class FeatureCache:
    """The features that one network has for images, by a key of 32 bytes.

    The key is the SHA-256 of the image file, or of that and the number of a random view.

    Features lie in blocks: safetensors files, written atomically, with the start of their SHA-256
    in the name. So any number of processes may read and write, and what a killed process leaves is
    whole. A block that is damaged, or not one of this class, is deleted. Blocks of all networks
    together are limited to ``WRN_FEATURES_GB`` gigabytes (default 4; with 0 nothing is kept): those
    that were used longest ago are deleted first, also when the cache is only read. A block that is
    larger alone is not kept.

    Args:
        key: What the features depend on beside the image, as a name of a folder.
        length: The number of features of an image.

    Raises:
        WrnError: If ``WRN_FEATURES_GB`` is not a number.
    """

    def __init__(self, key: str, length: int) -> None:
        self.folder = find_home() / 'features' / key
        self.length = length
        self._limit = _read_limit()

    def load(self, digests: Collection[bytes]) -> dict[bytes, np.ndarray]:
        """Return the features that are known.

        Args:
            digests: The keys.

        Returns:
            The features ``(length,)``, float32, by key. Unknown ones are missing.
        """
        wanted = {*digests}
        found: dict[bytes, np.ndarray] = {}
        if self._limit == 0:
            return found
        for path in self._blocks(self.folder):
            block = self._read(path)
            if block is None:
                continue
            rows = {digest: i for i, digest in enumerate(map(bytes, block[0])) if digest in wanted}
            if rows:
                found |= {digest: block[1][i].copy() for digest, i in rows.items()}
                with contextlib.suppress(OSError):  # deleted, or on a read-only disk
                    os.utime(path)
        self._make_room(0)
        return found

    def add(self, digests: Sequence[bytes], features: np.ndarray) -> None:
        """Keep features. A disk that cannot be written to is reported once, and then left alone.

        Args:
            digests: The key of each of ``N`` rows.
            features: ``(N, length)``, float32.
        """
        if self._limit == 0 or not len(digests):
            return
        arrays: dict[str, np.ndarray] = {
            'digests': np.frombuffer(b''.join(digests), np.uint8).reshape(-1, _DIGEST),
            'features': np.ascontiguousarray(features, np.float32),
        }
        needed = sum(array.nbytes for array in arrays.values())
        if needed > self._limit:
            return
        try:
            self._make_room(needed)
            write_with_hash(
                self.folder, _NAME, _SUFFIX, lambda path: _save(arrays, path), overwrite=True
            )
        except (OSError, WrnError) as error:
            self._limit = 0
            _logger.warning('%s; features are not kept for later runs', error)

    def _read(self, path: Path) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the digests and features of a block. Delete one that cannot be used."""
        try:
            check_regular(path, _MAX_BLOCK)
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest()[:8] != path.stem.removeprefix(f'{_NAME}-'):
                raise ValueError('its SHA-256 is not that in its name')
            arrays = load(content)
            digests, features = arrays['digests'], arrays['features']
            if digests.dtype != np.uint8 or digests.shape != (len(features), _DIGEST):
                raise ValueError('its digests have another form')
            if features.dtype != np.float32 or features.shape[1:] != (self.length,):
                raise ValueError('its features have another form')
            if not np.isfinite(features).all():
                raise ValueError('its features are not finite')
        except FileNotFoundError:  # another process has made room
            return None
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            reason = one_line(error)
            _logger.warning('%s: damaged (%s); its features are computed again', path, reason)
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        return digests, features

    def _make_room(self, needed: int) -> None:
        """Delete the blocks of any network that were used longest ago, until a new one fits."""
        blocks: list[tuple[int, int, Path]] = []
        folders = [*self.folder.parent.glob('*/')]
        for folder in folders:
            remove_scratch(folder)
        for path in self._blocks(*folders):
            with contextlib.suppress(OSError):
                found = path.stat()
                blocks.append((found.st_mtime_ns, found.st_size, path))
        total = needed + sum(size for _, size, _ in blocks)
        for _, size, path in sorted(blocks):
            if total <= self._limit:
                break
            with contextlib.suppress(OSError):
                path.unlink()
            if path.parent != self.folder:
                with contextlib.suppress(OSError):  # it has other blocks
                    path.parent.rmdir()
            total -= size

    @staticmethod
    def _blocks(*folders: Path) -> Iterator[Path]:
        for folder in folders:
            for path in sorted(folder.glob(f'{_NAME}-????????{_SUFFIX}')):
                if not path.is_dir():
                    yield path


def _save(arrays: dict[str, np.ndarray], path: Path) -> None:
    try:
        save_file(arrays, path)
    except SafetensorError as error:  # how the library reports a full disk
        raise OSError(one_line(error)) from error


def _read_limit() -> float:
    """Return the number of bytes that features may take."""
    value = os.environ.get(LIMIT, '')
    try:
        limit = float(value or _DEFAULT_LIMIT)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float('inf'):
        raise WrnError(f'{LIMIT} {value!r}: must be a number of gigabytes; set 0 to keep none')
    return limit * 1e9
