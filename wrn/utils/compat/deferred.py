"""Put off the import of a module until more is asked of it than is known of it already."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any


class _Deferred(ModuleType):
    """Stands for a module that is not imported yet.

    Args:
        name: Its name.
        known: What of it can be had without the import.
        package: Whether it has modules in it, whose imports need it.
    """

    def __init__(self, name: str, known: dict[str, Any], package: bool) -> None:
        super().__init__(name)
        vars(self).update(known, _package=package)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') and not (name == '__path__' and self._package):
            raise AttributeError(name)  # by which the import system asks what this is
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def deferred(name: str, package: bool = False, **known: Any) -> Iterator[None]:
    """Let a module that a block imports be imported when it is needed.

    Args:
        name: The name of the module.
        package: Whether it has modules in it. Defaults to False.
        **known: What of it can be had without the import.
    """
    if name in sys.modules:
        yield
        return
    module = sys.modules[name] = _Deferred(name, known, package)
    try:
        yield
    finally:
        if sys.modules.get(name) is module:
            del sys.modules[name]
