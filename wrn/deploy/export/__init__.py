"""Exported files: networks for runtimes that need nothing of ours, and back again."""

from wrn.deploy.export.export import Exported, export
from wrn.deploy.export.exported_model import is_exported, load_exported
from wrn.deploy.export.formats import FORMATS
from wrn.deploy.export.metadata import ExportError, Metadata

__all__ = [
    'FORMATS',
    'ExportError',
    'Exported',
    'Metadata',
    'export',
    'is_exported',
    'load_exported',
]
