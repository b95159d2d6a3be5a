"""TorchScript's archives, ``.torchscript``, which C++ reads, too."""

import contextlib
import io
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch

from wrn.deploy.export.format import Content, Format, Run
from wrn.deploy.export.metadata import METADATA_FILE

_DEBUG = '.debug_pkl'  # where each line of code is from: paths of this machine


class TorchScriptFormat(Format):
    """One file; what it says of itself is among its extra files.

    ``torch.jit.load`` runs what a file says to do when it is loaded, so it is for files of one's
    own, and such a file is no model here.
    """

    name = 'torchscript'
    suffix = '.torchscript'

    def write(self, content: Content, path: Path) -> None:
        """Write a network to a file."""
        written = io.BytesIO()
        with _deprecation_silenced(), torch.no_grad():
            script = torch.jit.freeze(
                torch.jit.trace(content.network, content.example, check_trace=False)
            )
            torch.jit.save(script, written, _extra_files={METADATA_FILE: content.metadata})
        with zipfile.ZipFile(written) as source, zipfile.ZipFile(path, 'w') as target:
            for name in source.namelist():
                if not name.endswith(_DEBUG):
                    entry = name.partition('/')[2]
                    target.writestr(f'{path.stem}/{entry}', source.read(name))

    def load_written(self, path: Path) -> Run:
        """Load a file of our own by torch's loader."""
        with _deprecation_silenced():
            module = torch.jit.load(path)
        return lambda inputs: (module(inputs),)


@contextlib.contextmanager
def _deprecation_silenced() -> Iterator[None]:
    """Keep torch 2.14 from calling TorchScript deprecated: who asks for it has a use for it."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', r'`torch\.jit\.\w+` is deprecated', FutureWarning)
        yield
