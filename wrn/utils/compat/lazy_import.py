"""Import a module lazily, on first access to an attribute that was not supplied up front."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any


class _LazyModule(ModuleType):
    """A placeholder for a module that is not imported yet.

    Args:
        name: The name of the module.
        attributes: The attributes that are available without the import.
    """

    def __init__(self, name: str, attributes: dict[str, Any]) -> None:
        super().__init__(name)
        vars(self).update(attributes)

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)  # the import system probes these
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def lazy_import(name: str, **attributes: Any) -> Iterator[None]:
    """Make the imports of one module lazy inside a block.

    Args:
        name: The name of the module.
        **attributes: The attributes that are available without the import.
    """
    if name in sys.modules:
        yield
        return
    module = sys.modules[name] = _LazyModule(name, attributes)
    try:
        yield
    finally:
        if sys.modules.get(name) is module:
            del sys.modules[name]
