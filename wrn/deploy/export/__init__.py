"""Export networks as files for other runtimes, and load those files again.

A classifier comes in and a file of one of the ``FORMATS`` goes out; a file of a readable format
comes in and a classifier goes out. Open ``export`` first. ``format`` is the interface of the
formats, and each format has a module; ``metadata`` is what a file records about its model;
``exported_model`` loads files.
"""

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
