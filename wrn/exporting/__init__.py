"""Exported files: networks for runtimes that need nothing of ours, and back again."""

from wrn.exporting.exporting import Exported, export
from wrn.exporting.formats import FORMATS
from wrn.exporting.loading import is_exported, load_exported
from wrn.exporting.metadata import ExportError, Metadata

__all__ = [
    'FORMATS',
    'ExportError',
    'Exported',
    'Metadata',
    'export',
    'is_exported',
    'load_exported',
]
