"""TorchScript archives, ``.torchscript``, which C++ programs can also load."""

import io
import zipfile
from pathlib import Path

import torch

from wrn.deploy.engines.engine import Forward
from wrn.deploy.export.formats.export_format import Content, Format
from wrn.deploy.export.metadata import METADATA_FILE
from wrn.utils.quiet import quiet

_DEBUG = '.debug_pkl'  # source locations: paths of the machine that exports


class TorchScriptFormat(Format):
    """One file, with the metadata among its extra files.

    ``torch.jit.load`` runs code from the file while it loads, so it is for trusted files only, and
    this package does not load such files as models.
    """

    name = 'torchscript'
    suffix = '.torchscript'

    def write(self, content: Content, path: Path) -> None:
        """Write a network to a file."""
        written = io.BytesIO()
        with quiet(), torch.no_grad():  # torch 2.14 warns that TorchScript is deprecated
            script = torch.jit.freeze(
                torch.jit.trace(content.network, content.example, check_trace=False)
            )
            torch.jit.save(script, written, _extra_files={METADATA_FILE: content.metadata})
        with zipfile.ZipFile(written) as source, zipfile.ZipFile(path, 'w') as target:
            for name in source.namelist():
                if not name.endswith(_DEBUG):
                    entry = name.partition('/')[2]
                    target.writestr(f'{path.stem}/{entry}', source.read(name))

    def load_written(self, path: Path) -> Forward:
        """Load a file that this process has written."""
        with quiet():
            module = torch.jit.load(path)
        return lambda inputs: (module(inputs),)
