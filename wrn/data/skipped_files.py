"""List the files that the worker processes of a data loader skip."""

import json
import os
import tempfile
from multiprocessing import reduction
from typing import Any


class SkippedFiles:
    """The files that this process and its workers have skipped, each once.

    An unnamed file collects them, since a pipe could fill up while nobody reads from it. The
    processes share its position, so each appends to what the others have written.
    """

    def __init__(self) -> None:
        self._lines = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self._found = set[str]()

    def __getstate__(self) -> Any:
        return reduction.DupFd(self._lines.fileno())  # for a worker that is not a fork

    def __setstate__(self, descriptor: Any) -> None:
        self._lines = os.fdopen(descriptor.detach(), 'r+b', buffering=0)
        self._found = set()

    def add(self, path: str) -> None:
        """Add a file, in any process."""
        self._lines.write(f'{json.dumps(path)}\n'.encode())

    def collect(self) -> set[str]:
        """Return all files, in the process that made the list while no other one adds to it."""
        self._lines.seek(0)
        self._found.update(map(json.loads, self._lines.read().splitlines()))
        self._lines.seek(0)
        self._lines.truncate()
        return self._found
