"""Write files so that a half-written one never stands where a whole one stood."""

import contextlib
import csv
import hashlib
import io
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from wrn.utils.errors import WrnError


@contextlib.contextmanager
def write_atomically(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file that gets its name only when it is whole and on the disk.

    Args:
        path: The file to write; its folder must exist. A link is followed. What is no regular
            file, such as ``/dev/stdout``, is written to directly.

    Yields:
        The binary file to write to. If the block raises, ``path`` stays as it was.

    Raises:
        WrnError: If the file cannot be written.
    """
    path = Path(path)
    try:
        if path.parent == Path('/dev') or (path.exists() and not path.is_file()):
            with path.open('ab') as file:  # not to lose what a redirected output has already
                yield file
            return
        path = path.resolve()
        temporary = path.with_name(f'.{path.name}.{secrets.token_hex(4)}')
        try:
            with temporary.open('xb') as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WrnError(f'{path}: cannot be written ({error.strerror or error})') from error


def sync_folder(folder: Path) -> None:
    """Let a new name outlive a power failure.

    Args:
        folder: The folder that the name is in.
    """
    with contextlib.suppress(OSError):  # which not every file system can
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_with_hash(
    folder: str | Path, name: str, suffix: str, write: Callable[[Path], None]
) -> Path:
    """Write a file whose name ends in the hash of its content, as ``NAME-HASH.SUFFIX``.

    Args:
        folder: Where to write; it is made if it does not exist.
        name: The name without hash and suffix.
        suffix: Such as ``'.pth'``.
        write: Writes the content to the path that it is given.

    Returns:
        The path of the file, whose HASH is the first eight digits of its SHA-256.

    Raises:
        WrnError: If the file cannot be written; nothing is left of it then.
    """
    temporary = Path(folder, f'.{name}.{secrets.token_hex(4)}{suffix}')
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.touch(exist_ok=False)
            mode = temporary.stat().st_mode
            write(temporary)
            temporary.chmod(mode)  # safetensors lets nobody else read its files
            with temporary.open('rb+') as file, ThreadPoolExecutor() as executor:
                on_disk = executor.submit(os.fsync, file.fileno())
                digest = hash_file(temporary)  # while the disk writes
                on_disk.result()
            path = temporary.with_name(f'{name}-{digest[:8]}{suffix}')
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WrnError(f'{folder}: cannot be written to ({error.strerror or error})') from error
    return path


def hash_file(path: str | Path, algorithm: str = 'sha256') -> str:
    """Compute the hash of a file.

    Args:
        path: The file.
        algorithm: ``'sha256'`` or another that :mod:`hashlib` has. Defaults to ``'sha256'``.

    Returns:
        Its hexadecimal digits.
    """
    digest = hashlib.new(algorithm)
    with Path(path).open('rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def format_csv(rows: Iterable[Iterable[Any]]) -> bytes:
    """Put rows into the format of a CSV file.

    Args:
        rows: The values of each row, that of the header first.

    Returns:
        The content of the file, in UTF-8, but for names of files that are not.
    """
    text = io.StringIO(newline='')
    csv.writer(text, lineterminator='\n').writerows(rows)
    return text.getvalue().encode(errors='surrogateescape')
