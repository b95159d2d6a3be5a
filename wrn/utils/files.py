"""Write files atomically, check and open those to read, and compute hashes."""

import codecs
import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from wrn.utils.existing import check_free
from wrn.utils.pipes import open_special
from wrn.utils.scratch import scratch_folder
from wrn_base.errors import WrnError, one_line, write_cure

_MAX_LINE = 1 << 16  # characters; a path has at most 4096 bytes


@contextlib.contextmanager
def report_write_errors(path: str | Path, fix: str = 'choose another path') -> Iterator[None]:
    """Turn errors of the file system into one-line errors.

    Args:
        path: The file or folder that is written, for the message.
        fix: What to do besides freeing space, for the message. Defaults to choosing another path.

    Raises:
        WrnError: If the block raises an :class:`OSError`.
    """
    try:
        yield
    except WrnError:  # of a missing checkpoint, which is an OSError, too
        raise
    except OSError as error:
        cure = write_cure(error, fix)
        raise WrnError(f'{path}: cannot be written ({one_line(error)}); {cure}') from error


@contextlib.contextmanager
def write_atomically(path: str | Path, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """Open a file that appears at ``path`` once it is complete and on the disk.

    Args:
        path: The file to write. Its folder is made if it does not exist. Symbolic links are
            followed. Devices and pipes, such as ``/dev/stdout``, are written to directly.
        overwrite: Whether to replace a file that exists. Defaults to True.

    Yields:
        The binary file to write to. If the block raises, ``path`` is left unchanged.

    Raises:
        WrnError: If the file cannot be written, or must not be replaced.
    """
    path = Path(path)
    with report_write_errors(path):
        if path.is_file():
            check_free(path, overwrite)
        if path.parent == Path('/dev') or (path.exists() and not path.is_file()):
            with open(open_special(path), 'ab') as file:
                yield file
            return
        path = path.resolve()
        make_parent(path)
        with scratch_folder(path.parent) as folder:
            temporary = folder / path.name
            with temporary.open('xb') as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            check_free(path, overwrite)
            temporary.replace(path)
            sync_folder(path.parent)


def make_parent(path: Path) -> None:
    """Make the folder of a file, unless it exists.

    Args:
        path: The file.

    Raises:
        OSError: If it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # its text would be taken for one about the file
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error


def replace_together(written: list[Path], places: list[Path]) -> None:
    """Replace files that belong together: all of them, or none if one cannot be replaced.

    Args:
        written: The new files, in a scratch folder.
        places: The path for each of them.

    Raises:
        OSError: If one cannot be replaced.
    """
    kept: list[tuple[Path, Path]] = []
    try:
        for file, place in zip(written, places, strict=True):
            if place != places[-1] and place.exists():  # the last one completes the set
                copy = file.with_name(f'{file.name}.kept')
                shutil.copy2(place, copy)
                kept.append((copy, place))
            file.replace(place)
    except BaseException:
        for copy, place in kept:
            copy.replace(place)
        raise


def sync_folder(folder: Path) -> None:
    """Flush a folder to the disk, so that a file renamed in it survives a power failure.

    Args:
        folder: The folder.
    """
    with contextlib.suppress(OSError):  # not every file system supports this
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_with_hash(
    folder: str | Path,
    name: str,
    suffix: str,
    write: Callable[[Path], None],
    overwrite: bool = False,
) -> Path:
    """Write a file atomically, with the hash of its content in its name.

    Args:
        folder: The folder to write to. It is created if it does not exist.
        name: The file name without hash and suffix.
        suffix: The suffix, such as ``'.pth'``.
        write: Writes the content to the path that it is called with.
        overwrite: Whether to replace a file that exists. Defaults to False.

    Returns:
        The path ``FOLDER/NAME-HASH.SUFFIX``. HASH is the first 8 digits of the SHA-256.

    Raises:
        WrnError: If the file cannot be written, or exists. No part of it is left.
    """
    folder = Path(folder)
    with report_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with report_write_errors(folder / f'{name}{suffix}'), scratch_folder(folder) as scratch:
        temporary = scratch / f'{name}{suffix}'
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        write(temporary)
        temporary.chmod(mode)  # safetensors makes its files readable by their owner only
        with temporary.open('rb+') as file, ThreadPoolExecutor() as executor:
            synced = executor.submit(os.fsync, file.fileno())
            digest = hash_file(temporary)  # while the file is flushed
            synced.result()
        path = folder / f'{name}-{digest[:8]}{suffix}'
        check_free(path, overwrite)
        temporary.replace(path)
        sync_folder(folder)
    return path


def check_regular(path: str | Path, max_bytes: int | None = None) -> None:
    """Check that a path names a regular file. Opening a pipe or a device may have no end.

    Args:
        path: The path.
        max_bytes: The largest size. Defaults to None: any.

    Raises:
        OSError: If it does not, or the file is larger or not found.
    """
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, 'is a folder', str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, 'not a file, but a pipe, socket or device', str(path))
    if max_bytes is not None and found.st_size > max_bytes:
        raise OSError(errno.EFBIG, f'has {found.st_size} bytes, more than {max_bytes}', str(path))


def explain(error: OSError) -> str:
    """Return why a file cannot be read, such as ``'does not exist'``, for the end of a clause.

    Args:
        error: What :func:`check_regular` or opening the file raises.
    """
    known = {FileNotFoundError: 'does not exist', IsADirectoryError: 'is a folder'}
    return known.get(type(error), f'cannot be read ({one_line(error)})')


def read_lines(path: str | Path) -> Iterator[str]:
    """Yield the lines of a text file without space at both ends, in bounded memory.

    Args:
        path: A file in UTF-8, or in UTF-8 or UTF-16 with a byte order mark, as Windows writes.

    Yields:
        Each line. Bytes that are not UTF-8 are surrogates, as in the names of files.

    Raises:
        OSError: If the file cannot be read, is not a regular file, or has a line that is too long.
        UnicodeError: If the file is not text.
    """
    check_regular(path)
    with open(path, 'rb') as file:
        wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding, errors = ('utf-16', 'strict') if wide else ('utf-8-sig', 'surrogateescape')
    with open(path, encoding=encoding, errors=errors) as lines:
        while line := lines.readline(_MAX_LINE):
            if len(line) == _MAX_LINE or '\0' in line:
                raise OSError(errno.EINVAL, 'is not UTF-8 text of short lines', str(path))
            yield line.strip()


def hash_file(path: str | Path, algorithm: str = 'sha256') -> str:
    """Return the hash of a file in hexadecimal digits.

    Args:
        path: The file.
        algorithm: A name that :func:`hashlib.new` accepts. Defaults to ``'sha256'``.
    """
    digest = hashlib.new(algorithm)
    with Path(path).open('rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
