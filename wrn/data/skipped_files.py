"""List the files that the worker processes of a data loader skip."""

import json
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any


class SkippedFiles:
    """The files that this process and its workers have skipped, each once.

    Each process appends to a file of its own in a temporary folder. So they need not share more
    than its path, whether they are forks or not, and nothing fills up while nobody reads it.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix='wrn-skipped-'))
        self._found = set[str]()
        weakref.finalize(self, _remove, self._folder, os.getpid())

    def __getstate__(self) -> Any:
        return self._folder  # for a worker that is not a fork

    def __setstate__(self, folder: Path) -> None:
        self._folder = folder
        self._found = set()

    def add(self, path: str) -> None:
        """Add a file, in any process."""
        with (self._folder / f'{os.getpid()}').open('ab') as lines:
            lines.write(f'{json.dumps(path)}\n'.encode())

    def collect(self) -> set[str]:
        """Return all files, in the process that made the list while no other one adds to it."""
        for lines in self._folder.iterdir():
            self._found.update(map(json.loads, lines.read_bytes().splitlines()))
            lines.unlink()
        return self._found


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a worker that is a fork has this call, too
        shutil.rmtree(folder, ignore_errors=True)
