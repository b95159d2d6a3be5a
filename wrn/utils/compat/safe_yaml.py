"""Read YAML files as data.

mmengine reads ``.yaml`` and ``.yml`` files with PyYAML's unsafe loader, in configs and in whatever
else ``mmengine.load`` reads. It runs what a tag such as ``!!python/object/apply`` names. The public
``register_handler`` replaces the reader of a format. Can go when mmengine uses a safe loader.
"""

from typing import IO, Any

import yaml
from mmengine.fileio import YamlHandler, register_handler

_SafeLoader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class _Loader(_SafeLoader):
    """PyYAML's safe loader, and tuples, which mmengine writes into YAML files."""

    def construct_tuple(self, node: yaml.SequenceNode) -> tuple[Any, ...]:
        return tuple(self.construct_sequence(node, deep=True))


_Loader.add_constructor('tag:yaml.org,2002:python/tuple', _Loader.construct_tuple)


@register_handler(['yaml', 'yml'])
class SafeYamlHandler(YamlHandler):
    """mmengine's handler of YAML files, which builds plain values alone."""

    def load_from_fileobj(self, file: IO[str], **kwargs: Any) -> Any:
        """Read a file.

        Args:
            file: The open file.
            **kwargs: Ignored: the only argument of PyYAML's is the loader.

        Returns:
            The plain values in it.

        Raises:
            yaml.YAMLError: If it is not valid YAML, or has a tag that stands for an object.
        """
        return yaml.load(file, Loader=_Loader)
