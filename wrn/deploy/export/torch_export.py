"""``torch.export``'s archives, ``.pt2``."""

from pathlib import Path

import torch

from wrn.deploy.engines.graph import export_program, quiet
from wrn.deploy.export.format import Content, Format, Run
from wrn.deploy.export.metadata import METADATA_FILE


class TorchExportFormat(Format):
    """One file; what it says of itself is among its extra files.

    ``torch.export.load`` unpickles, and evaluates text, so it is for files of one's own, and such
    a file is no model here.
    """

    name = 'torch-export'
    suffix = '.pt2'

    def write(self, content: Content, path: Path) -> None:
        """Write a network to a file."""
        program = export_program(content.network, content.example)
        for node in program.graph.nodes:
            node.meta.pop('stack_trace', None)  # where it was exported: paths of this machine
        with quiet():
            torch.export.save(program, path, extra_files={METADATA_FILE: content.metadata})

    def load_written(self, path: Path) -> Run:
        """Load a file of our own by torch's loader."""
        with quiet():
            module = torch.export.load(path).module()
        return lambda inputs: (module(inputs),)
