"""Read the images of a tar archive, in order, in bounded time and memory."""

import io
import os
import tarfile
from collections.abc import Iterator
from typing import Any, NoReturn

from wrn.data.images.read import MAX_BYTES, EncodedImage
from wrn.data.images.selection import LeftOut, is_image
from wrn_base.errors import one_line

MAX_NAME = 1 << 20  # bytes of the headers that hold long names and other attributes
MAX_RATIO = 200  # of decompressed to compressed bytes, after the first MAX_BYTES
_EXTENDED = 482  # the byte of a header that says whether its sparse map continues
_SUFFIXES = ('.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz')
_LONG_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


def is_archive(path: str) -> bool:
    """Return whether a path names an archive that exists."""
    return path.lower().endswith(_SUFFIXES) and os.path.isfile(path)


def read_archive(path: str, left_out: LeftOut, names_only: bool = False) -> Iterator[EncodedImage]:
    """Yield the images of an archive.

    An archive that is damaged after its first image ends with an image of the archive's own name,
    whose problem says so.

    Args:
        path: The archive, which may be compressed.
        left_out: Counts the files that are left out.
        names_only: Whether to leave out the contents. Defaults to False.

    Yields:
        The images, in the order of the archive.

    Raises:
        Exception: If the archive is damaged before its first image. :mod:`tarfile` and the
            decompressors raise many types.
    """
    if not os.path.getsize(path):
        raise tarfile.ReadError('the file is empty')
    number = 0
    try:
        with tarfile.open(path, tarinfo=_Header) as archive:
            for member in _find_members(archive, path, left_out):
                yield EncodedImage(f'{path}/{member.name}', *_read(archive, member, names_only))
                number += 1
    except Exception as error:  # the readers of damaged archives raise many types
        if number == 0:
            raise
        problem = f'damaged after {number} of its images ({one_line(error)}); copy it again'
        if isinstance(error, _SparseError):
            problem = f'read up to {number} of its images; the next member is {error}'
        yield EncodedImage(path, problem=f'the archive is {problem}')


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo, names_only: bool) -> tuple[bytes, str]:
    """Return the content of a member, and the problem with it."""
    if not member.isfile():
        return b'', (
            'is a link in the archive, which is read in order, without links; recreate the archive '
            'with `tar --dereference --hard-dereference`'
        )
    if member.size > MAX_BYTES:
        return b'', f'has {member.size} bytes, more than {MAX_BYTES}; remove it'
    file = None if names_only else archive.extractfile(member)
    try:
        return (file.read() if file else b''), ''
    except Exception as error:  # as above; the next header cannot be read, either
        return b'', f'cannot be read ({one_line(error)}); copy the archive again'


def _find_members(
    archive: tarfile.TarFile, path: str, left_out: LeftOut
) -> Iterator[tarfile.TarInfo]:
    end = os.path.getsize(path)
    if not isinstance(archive.fileobj, io.BufferedReader):  # compressed
        end = max(MAX_BYTES, MAX_RATIO * end)
    for member in archive:
        if not member.offset < archive.offset <= end:
            raise tarfile.ReadError(f'{member.name[:200]!r} has more bytes than the archive')
        if is_image(member.name) and (member.isfile() or member.islnk() or member.issym()):
            yield member
        elif not member.isdir():
            left_out.add(member.name, '' if member.isfile() else 'not a file')
        vars(archive)['members'] = []  # or TarFile would keep each member that was read


class _RefusedError(tarfile.TarError):
    """A header that is refused. For a :class:`tarfile.ReadError`, tarfile tries other formats."""


class _SparseError(_RefusedError):
    """A sparse file, whose map may be of any length."""

    def __init__(self) -> None:
        super().__init__('a sparse file; recreate the archive without `tar --sparse`')


class _Header(tarfile.TarInfo):
    """A header, which is checked before what follows it is read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> '_Header':
        """Parse a block. A damaged one is an error, where :mod:`tarfile` may see an end."""
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.strip(b'\0'):
                raise _RefusedError(f'not a tar archive, or damaged: {error}') from error
            raise  # the end
        if header.size < 0 or (header.type in _LONG_HEADERS and header.size > MAX_NAME):
            raise _RefusedError(f'a header of {header.size} bytes')
        if header.type == tarfile.GNUTYPE_SPARSE and buf[_EXTENDED]:
            raise _SparseError
        return header

    def _proc_gnusparse_10(self, *_: Any) -> NoReturn:
        """Refuse a sparse file. :mod:`tarfile` calls this."""
        raise _SparseError
