"""Check a JSON or YAML config: such a file is data, so nothing that it names may run.

mmengine imports ``custom_imports``, runs ``.py`` files in ``_base_``, imports any module that a
``type`` or a scope names, and unpickles annotation files; mmpretrain evaluates ``dtype``.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

import mmengine
from mmengine.registry import Registry
from mmpretrain import registry

from wrn.utils.files import check_regular, explain
from wrn_base.errors import WrnError
from wrn_base.model_index import root

DATA_SUFFIXES = ('.json', '.yaml', '.yml')
_UNPICKLING = 'mmpretrain.models.multimodal'  # some of them unpickle a file that a config names
_MAX_VALUES = 100_000  # counted as often as an anchor is referred to
_TYPES = ('type', 'constructor', 'runner_type')
_SCOPES = ('mmpretrain', 'mmengine')
_PICKLES, _OUTPUTS = ('.pkl', '.pickle'), ('out_file_path', 'out')
_CURE = 'use a .py config, which is code, if you trust its author'


def check_data_config(path: Path, seen: frozenset[Path] = frozenset()) -> None:
    """Check a JSON or YAML config and the files that it is based on.

    Args:
        path: The file.
        seen: The files that are based on it. Defaults to none.

    Raises:
        WrnError: If it imports modules, is based on a ``.py`` file that this package does not ship
            or on itself, names a type that is not registered, or has too many values.
    """
    path = path.resolve()
    reject_irregular(path)
    config = mmengine.load(str(path))
    if not isinstance(config, dict):
        raise WrnError(f'{path}: not a mapping of config keys; write KEY: VALUE')
    for key, value in _entries(config, path):
        scope, _, name = value.rpartition('.')
        if key in _TYPES and not (scope in ('', *_SCOPES) and name in _names()):
            raise WrnError(f'{path}: {key} {value!r} is not registered; {_CURE}')
        if key in ('default_scope', '_scope_') and value not in _SCOPES:
            raise WrnError(f'{path}: {key} {value!r} imports a module of this name; {_CURE}')
        if value.endswith(_PICKLES) and key not in _OUTPUTS:
            raise WrnError(f'{path}: {key} {value!r} is a pickle, which runs code; {_CURE}')
        if key == 'dtype' and not value.isidentifier():
            raise WrnError(f'{path}: dtype {value!r} is not the name of a type; correct it')
    imports = config.get('custom_imports') or {}
    if not isinstance(imports, dict) or imports.get('imports') not in (None, 'wrn', ['wrn']):
        raise WrnError(f'{path}: custom_imports runs code; {_CURE}')
    bases = config.get('_base_') or []
    for base in bases if isinstance(bases, list) else [bases]:
        file = Path(path.parent, str(base)).resolve()
        if file in seen | {path}:
            raise WrnError(f'{path}: _base_ {base} is based on this file; remove it')
        if file.suffix in DATA_SUFFIXES:
            check_data_config(file, seen | {path})
        elif '::' in str(base) or not file.is_relative_to(root() / 'configs'):
            raise WrnError(f'{path}: _base_ {base} runs code; {_CURE}')


def reject_irregular(path: str | PathLike[str]) -> None:
    """Raise an error if a path is that of a folder, pipe or device. A missing file passes.

    Args:
        path: The path of a config.

    Raises:
        WrnError: If it is, or cannot be looked up.
    """
    try:
        check_regular(Path(path))
    except (FileNotFoundError, ValueError):  # a ValueError is for a path that no file can have
        return
    except OSError as error:
        raise WrnError(f'{path}: the config {explain(error)}; give the path of a file') from error


def _entries(config: Any, path: Path) -> Iterator[tuple[str, str]]:
    """Yield each text at any depth, and the key that it or its list is the value of."""
    waiting, number = [('', config)], 0
    while waiting:
        key, value = waiting.pop()
        number += 1
        if number > _MAX_VALUES:
            raise WrnError(f'{path}: has more than {_MAX_VALUES} values; shorten it')
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, Mapping):
            waiting.extend((str(name), item) for name, item in value.items())
        elif isinstance(value, list | tuple):
            waiting.extend((key, item) for item in value)


@cache
def _names() -> set[str]:
    """Return the names of the types that a config may have."""
    registries = [value for value in vars(registry).values() if isinstance(value, Registry)]
    registries += [value.parent for value in registries if value.parent]
    for value in registries:
        value.import_from_location()
    return {
        name
        for value in registries
        for name, kind in value.module_dict.items()
        if not kind.__module__.startswith(_UNPICKLING)
    }
