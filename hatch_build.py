"""A build hook that writes the name of the package for openmim."""

import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TopLevelHook(BuildHookInterface[BuilderConfig]):
    """Add ``top_level.txt`` to the metadata of the wheel.

    openmim reads the name of the package, ``wrn``, from this file to find ``wrn/.mim``. setuptools
    writes the file, hatchling does not.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file. hatchling calls this before it builds a wheel."""
        self.folder = tempfile.TemporaryDirectory()
        source = Path(self.folder.name, 'top_level.txt')
        source.write_text('wrn\n', encoding='utf-8')
        name = self.metadata.core.name.replace('-', '_')
        target = f'{name}-{self.metadata.version}.dist-info/top_level.txt'
        build_data['force_include'][str(source)] = target

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary file."""
        self.folder.cleanup()
