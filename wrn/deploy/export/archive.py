"""The archives in which torch writes programs: zip files with one folder."""

import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from wrn.deploy.export.metadata import KEY, ExportError

METADATA = f'{KEY}.json'  # among the extra files, a documented place in both formats
_MOST_CODE = 1 << 24  # bytes


class Archive:
    """An archive that anybody may have written; nothing of it is unpickled or run.

    Args:
        path: The file, or its content in memory.

    Attributes:
        names: Of its entries, without the folder.

    Raises:
        ExportError: If it is none.
    """

    def __init__(self, path: Path | BytesIO) -> None:
        self.path = path
        try:
            self._file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise ExportError(f'{path}: the file is truncated, or no archive of torch') from error
        entries = self._file.infolist()
        self._folder = entries[0].filename.partition('/')[0] if entries else ''
        self.names = [entry.filename.partition('/')[2] for entry in entries]
        # What is compressed, as code is, may be much larger than the file; and of a name that
        # comes twice, readers differ.
        unpacked = sum(entry.file_size for entry in entries if entry.compress_type)
        if unpacked > _MOST_CODE or len({*self.names}) < len(self.names):
            raise ExportError(f'{path}: is no archive as torch writes them')

    def read(self, name: str) -> bytes:
        """Read an entry.

        Args:
            name: Its name, without the folder.

        Returns:
            Its content.

        Raises:
            ExportError: If there is none, or it is damaged.
        """
        try:
            return self._file.read(f'{self._folder}/{name}')
        except (KeyError, zipfile.BadZipFile, OSError, EOFError) as error:
            raise ExportError(f'{self.path}: the file is damaged at {name}') from error

    def read_metadata(self) -> bytes | None:
        """Read what the file says of itself; None if it says nothing."""
        entry = f'extra/{METADATA}'
        return self.read(entry) if entry in self.names else None


def write_archive(file: Path | BytesIO, folder: str, entries: Iterable[tuple[str, bytes]]) -> None:
    """Write an archive.

    Args:
        file: A path, or a file in memory.
        folder: The name of the folder.
        entries: The name, without the folder, and the content of each entry.
    """
    with zipfile.ZipFile(file, 'w') as archive:
        for name, content in entries:
            archive.writestr(f'{folder}/{name}', content)
