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
    """

    def __init__(self, name: str, known: dict[str, Any]) -> None:
        super().__init__(name)
        vars(self).update(known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)  # by which the import system asks what this is
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def deferred(name: str, **known: Any) -> Iterator[None]:
    """Let a module that a block imports be imported when it is needed.

    Args:
        name: The name of the module.
        **known: What of it can be had without the import.
    """
    if name in sys.modules:
        yield
        return
    module = sys.modules[name] = _Deferred(name, known)
    try:
        yield
    finally:
        if sys.modules.get(name) is module:
            del sys.modules[name]
