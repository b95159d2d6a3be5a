"""Read YAML files without running code.

mmengine reads ``.yaml`` and ``.yml`` files with PyYAML's unsafe loader, in configs and in
``mmengine.load``. That loader runs the code that a tag such as ``!!python/object/apply`` names. We
register a safe handler for both suffixes. Can go when mmengine uses a safe loader.
"""

from typing import IO, Any

import yaml
from mmengine.fileio import YamlHandler, register_handler

_SafeLoader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class _Loader(_SafeLoader):
    """PyYAML's safe loader with support for tuples, which mmengine writes into YAML files."""

    def construct_tuple(self, node: yaml.SequenceNode) -> tuple[Any, ...]:
        return tuple(self.construct_sequence(node, deep=True))


_Loader.add_constructor('tag:yaml.org,2002:python/tuple', _Loader.construct_tuple)


@register_handler(['yaml', 'yml'])
class SafeYamlHandler(YamlHandler):
    """mmengine's YAML handler, restricted to plain values."""

    def load_from_fileobj(self, file: IO[str], **kwargs: Any) -> Any:
        """Read an open file.

        Args:
            file: The file.
            **kwargs: Ignored. PyYAML takes no argument but the loader.

        Returns:
            The plain values in the file.

        Raises:
            yaml.YAMLError: If the file is not valid YAML, or has a tag of a Python object.
        """
        return yaml.load(file, Loader=_Loader)
