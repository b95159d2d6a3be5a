"""``torch.export`` archives, ``.pt2``."""

import io
from pathlib import Path

import torch

from wrn.deploy.engines.engine import Forward
from wrn.deploy.engines.graph import export_program
from wrn.deploy.export.formats.export_format import Content, Format
from wrn.deploy.export.metadata import METADATA_FILE
from wrn.utils.quiet import quiet


class TorchExportFormat(Format):
    """One file, with the metadata among its extra files.

    ``torch.export.load`` unpickles data and evaluates text, so it is for trusted files only, and
    this package does not load such files as models.
    """

    name = 'torch-export'
    suffix = '.pt2'

    def write(self, content: Content, path: Path) -> None:
        """Write a network to a file."""
        program = export_program(content.network, content.example)
        for node in program.graph.nodes:
            node.meta.pop('stack_trace', None)  # contains paths of the machine that exports
        written = io.BytesIO()  # torch aborts the process if a disk is full
        with quiet():
            torch.export.save(program, written, extra_files={METADATA_FILE: content.metadata})
        path.write_bytes(written.getbuffer())

    def load_written(self, path: Path) -> Forward:
        """Load a file that this process has written."""
        with quiet():
            module = torch.export.load(path).module()
        return lambda inputs: (module(inputs),)
