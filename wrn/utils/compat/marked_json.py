"""Read JSON files with a byte order mark, as some editors write them.

mmengine's JSON handler refuses the mark, in annotation files, in configs and in ``mmengine.load``.
We register a handler that skips it. Can go when mmengine reads such files.
"""

import json
from typing import IO, Any

from mmengine.fileio import JsonHandler, register_handler


@register_handler('json')
class MarkedJsonHandler(JsonHandler):
    """mmengine's JSON handler, which skips a byte order mark."""

    def load_from_fileobj(self, file: IO[Any]) -> Any:
        """Read an open file.

        Args:
            file: The file, of text or bytes.

        Returns:
            The values in the file.

        Raises:
            ValueError: If the file is not valid JSON.
        """
        text = file.read()
        return json.loads(text.removeprefix('\ufeff') if isinstance(text, str) else text)
