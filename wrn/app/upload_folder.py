"""The folder of the images that are uploaded to the page."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from wrn.app.refusal import Refusal, too_busy

_FILES = 2000  # that are uploaded and not deleted yet
_GONE = 'gone'  # Gradio's own names are longer


class UploadFolder:
    """A folder of uploads, with a limit of their number and size.

    Gradio writes an upload to a file in it, which it then moves to a folder in it.

    Args:
        path: The folder.
        most: The largest number of bytes in it.
    """

    def __init__(self, path: str, most: int) -> None:
        self._path, self._most = os.path.realpath(path), most
        self._receiving = 0

    def check_uploaded(self, path: object) -> None:
        """Check that a path is that of an uploaded file.

        Args:
            path: What a client names.

        Raises:
            Refusal: If it is not (422).
        """
        if not (isinstance(path, str) and self._has(path)):
            raise Refusal(422, 'the path of a file is not that of an uploaded one; upload it')

    def find(self, path: str) -> str:
        """Return the path of an uploaded file; for any other path, one where no file is.

        Args:
            path: What a client names, such as a file that was sent to the server before this one.
        """
        return path if self._has(path) else os.path.join(self._path, _GONE)

    def _has(self, path: str) -> bool:
        try:
            return os.path.realpath(path).startswith(os.path.join(self._path, ''))
        except ValueError:  # a null character
            return False

    @contextmanager
    def receive(self) -> Iterator[None]:
        """Receive an upload in the block. Afterwards, no part of one that failed is left.

        Raises:
            Refusal: If the folder is full (429).
        """
        taken = 0
        for number, size in enumerate(_sizes(self._path)):
            taken += size
            if number >= _FILES or taken > self._most:
                raise too_busy('other images take the space for uploads')
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1
            if not self._receiving:  # else a file may be that of another upload
                self._drop_partial()

    def _drop_partial(self) -> None:
        with suppress(OSError), os.scandir(self._path) as entries:
            for entry in entries:
                if entry.is_file():
                    os.unlink(entry)


def _sizes(folder: str) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.path.getsize(os.path.join(place, name))
            except OSError:  # deleted by now
                continue
