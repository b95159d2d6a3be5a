"""Decide which files of a folder or archive are images, and count the others."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath

from wrn_base.errors import count

# What read_image reads and the field uses; tests/unit/test_images.py reads one file of each.
EXTENSIONS = (
    *('.avif', '.bmp', '.gif', '.jfif', '.jp2', '.jpe', '.jpeg', '.jpg'),
    *('.pbm', '.pgm', '.png', '.pnm', '.ppm', '.tif', '.tiff', '.webp'),
)
_MACOS = '__MACOSX'  # macOS adds this folder to archives
_HIDDEN = 'hidden'
_MAX_REASONS = 20  # further ones are counted together, to bound the memory and the message


def is_hidden(path: str | PurePath) -> bool:
    """Return whether a path is hidden or below a hidden folder.

    Args:
        path: A path relative to the folder or archive that the user gave.
    """
    parts = PurePath(path).parts
    return any(part == _MACOS or (part.startswith('.') and part != '..') for part in parts)


def is_image(path: str, extensions: tuple[str, ...] = EXTENSIONS) -> bool:
    """Return whether the name of a file is that of an image: not hidden, with a known extension.

    Args:
        path: As for :func:`is_hidden`.
        extensions: The known extensions, in lower case. Defaults to :data:`EXTENSIONS`.
    """
    return path.lower().endswith(extensions) and not is_hidden(path)


class LeftOut(Counter[str]):
    """The numbers of files that were left out, by extension or another reason."""

    def add(self, path: str, reason: str = '') -> None:
        """Count a file, unless it is hidden and not an image.

        Args:
            path: As for :func:`is_hidden`.
            reason: The reason to count it under. Defaults to its extension.
        """
        if is_hidden(path):
            if not path.lower().endswith(EXTENSIONS):
                return
            reason = _HIDDEN
        reason = reason or PurePath(path).suffix.lower() or 'without extension'
        self['others' if len(self) >= _MAX_REASONS and reason not in self else reason] += 1

    def add_images_below(self, folder: str | PurePath, reason: str) -> int:
        """Count the images at any depth of a folder, and return how many are not hidden in it."""
        number = 0
        for place, _, names in os.walk(folder):
            below = os.path.relpath(place, folder)
            for name in names:
                if name.lower().endswith(EXTENSIONS):
                    path = os.path.join(below, name)
                    self.add(path, reason)
                    number += not is_hidden(path)
        return number

    def __str__(self) -> str:
        parts = (
            count(n, 'hidden image') if k == _HIDDEN else f'{n} {k if k.isprintable() else repr(k)}'
            for k, n in self.most_common()
        )
        return f'left out {count(self.total(), "file")}: {", ".join(parts)}'


def scan(folder: str | PurePath, left_out: LeftOut) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder that are not hidden, in arbitrary order.

    Args:
        folder: The folder.
        left_out: Counts the hidden images.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if not is_hidden(entry.name):
                yield entry
            elif os.path.isdir(entry):
                left_out.add_images_below(entry.path, _HIDDEN)
            else:
                left_out.add(entry.name)
