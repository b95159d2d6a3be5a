"""A build hook that names the package of this distribution, for openmim."""

import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TopLevelHook(BuildHookInterface[BuilderConfig]):
    """Add ``top_level.txt`` to the wheel's metadata.

    openmim reads there that ``mmpretrain-wrn`` is imported as ``wrn``, to find ``wrn/.mim``.
    setuptools writes the file, hatchling does not.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Include the file; hatchling calls this before it builds a wheel."""
        self.folder = tempfile.TemporaryDirectory()
        source = Path(self.folder.name, 'top_level.txt')
        source.write_text('wrn\n')
        name = self.metadata.core.name.replace('-', '_')
        target = f'{name}-{self.metadata.version}.dist-info/top_level.txt'
        build_data['force_include'][str(source)] = target

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary file."""
        self.folder.cleanup()
