"""Check each file of a config before mmengine opens it.

mmengine opens what ``_base_`` names, whatever it is. Reading a pipe or a device may have no end. We
wrap the one method that gets the path of each file before it is opened.

Can go when mmengine refuses what is not a regular file.
"""

from collections.abc import Callable

from mmengine.config import Config


def check_config_files(check: Callable[[str], None]) -> None:
    """Check each file of a config, before it is opened.

    Args:
        check: Raises an error for the path of a file that must not be opened.
    """
    is_lazy_import = Config._is_lazy_import

    def _is_lazy_import(filename: str) -> bool:
        check(filename)
        return is_lazy_import(filename)

    Config._is_lazy_import = staticmethod(_is_lazy_import)
