"""Write files so that a half-written one never stands where a whole one stood."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from wrn.errors import WrnError


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
        temporary = path.with_name(f'.{path.name}.{os.getpid()}')
        try:
            with temporary.open('xb') as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WrnError(f'{path}: cannot be written ({error.strerror or error})') from error
