"""Export networks as files for other runtimes, and load these files again.

In: a classifier. Out: a file of one of the ``FORMATS``, or again a classifier from such a file.
Open ``export`` first, then ``exported_file``, which loads files.

``formats`` has a module for each format, and their interface. ``exportable`` is the network in a
file. ``metadata`` is what a file records about its model.
"""

from wrn.deploy.export.exported_file import is_exported, load_exported
from wrn.deploy.export.formats import FORMATS
from wrn.deploy.export.metadata import ExportError, Metadata
from wrn.deploy.export.write import Exported, export

__all__ = [
    'FORMATS',
    'ExportError',
    'Exported',
    'Metadata',
    'export',
    'is_exported',
    'load_exported',
]
