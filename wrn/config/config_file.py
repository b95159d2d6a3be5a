"""Config files: found by path or model name, read, and their mistakes told in one line."""

import ast
import contextlib
import difflib
import inspect
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmpretrain import registry

from wrn.config import model_index
from wrn.utils.errors import WrnError, did_you_mean

CONFIG_SUFFIXES = ('.py', '.yaml', '.yml', '.json')
_UNREGISTERED = re.compile(r'(\S+) is not in the (?:\S+::)?([\w ]+) registry')
_UNREADABLE = re.compile(r'failed to load image: (.+)')


def read_config(path: str | PathLike) -> Config:
    """Read a config file.

    Args:
        path: Its path, or that of one which this package ships (``configs/wrn/...``).

    Returns:
        The config, with what its ``_base_`` files say merged in.

    Raises:
        WrnError: If there is no such file, or it is not a valid config.
    """
    found = path if Path(path).is_file() else model_index.find_config(str(path))
    if found is None:
        paths = model_index.root().glob('configs/wrn/*.py')
        known = [str(file.relative_to(model_index.root())) for file in paths]
        hint = did_you_mean(str(path), known, '; give the path of a .py config')
        raise WrnError(f'{path}: there is no such config file{hint}')
    with config_errors(found):
        return Config.fromfile(found)


@contextlib.contextmanager
def config_errors(
    source: str | PathLike | None, unless: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Turn what mmengine raises at a mistake in a config into one clear line.

    Args:
        source: The config file, for the message.
        unless: Tells that an error is not the config's, since the run has started, say. Defaults
            to never.

    Raises:
        WrnError: With the message, for whatever is raised while a config is read or built.
    """
    try:
        yield
    except Exception as error:
        # Constructors check their arguments with exceptions of every kind.
        message = _message(error)
        if unreadable := _UNREADABLE.search(message):
            raise WrnError(
                f'{unreadable[1]}: the picture cannot be read; remove or replace it'
            ) from error
        if isinstance(error, WrnError) and 'Traceback' in str(error):  # of a worker process
            raise type(error)(message.partition(': ')[2]) from error  # without its own name
        if isinstance(error, WrnError) or unless():
            raise
        raise WrnError(f'{source or "config"}: {message}') from error


def _message(error: Exception) -> str:
    """Put what an exception says into one line."""
    message = str(error.args[0] if len(error.args) == 1 else error).strip()
    if 'Traceback' in message:  # of a worker process of a data loader
        message = message.splitlines()[-1]
    message = ' '.join(message.split())
    if isinstance(error, SyntaxError) and error.lineno:
        return f'syntax error in line {error.lineno}: {error.msg}'
    if not message:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f'{frame.line} does not hold ({frame.filename}:{frame.lineno})'
    if unregistered := _UNREGISTERED.search(message):
        name, registry_name = unregistered.groups()
        return f"unknown {registry_name} type '{name}'{_near_types(name, registry_name)}"
    if 'pkg_resources' in message:
        return (
            "a _base_ of the form 'package::path' needs pkg_resources, which setuptools no longer "
            'has; give the path of the file'
        )
    kind = type(error).__name__
    vague = isinstance(error, KeyError | AttributeError | AssertionError)
    return f'{kind}: {message}' if vague and not message.startswith(kind) else message


def _near_types(name: str, registry_name: str) -> str:
    registries = [value for value in vars(registry).values() if isinstance(value, Registry)]
    known = {
        key
        for ours in registries
        if ours.name == registry_name
        for key in (*ours.module_dict, *(ours.parent.module_dict if ours.parent else ()))
    }
    return did_you_mean(name.rpartition('.')[2], known)


def parse_config(text: str, source: str) -> Config:
    """Parse a config as checkpoints hold it, without running it as Python, which mmengine does.

    Args:
        text: What mmengine's ``Config.pretty_text`` gave: assignments of plain values.
        source: The name of the checkpoint, for messages.

    Returns:
        The config.

    Raises:
        WrnError: If the text is anything else.
    """

    def value(node: ast.AST) -> Any:
        match node:
            case ast.Call(ast.Name('dict'), [ast.Dict() as items], []):  # keys that are no names
                return value(items)
            case ast.Call(ast.Name('dict'), [], keywords) if all(k.arg for k in keywords):
                return {str(keyword.arg): value(keyword.value) for keyword in keywords}
            case ast.Dict(keys=keys, values=values) if all(keys):
                return {value(k): value(v) for k, v in zip(keys, values, strict=True) if k}
            case ast.List(elts=items):
                return [value(item) for item in items]
            case ast.Tuple(elts=items):
                return tuple(value(item) for item in items)
            case _:
                return ast.literal_eval(node)

    try:
        values = {}
        for statement in ast.parse(text).body:
            match statement:
                case ast.Assign(targets=[ast.Name(name)], value=node):
                    values[name] = value(node)
                case _:
                    raise ValueError('it has statements other than assignments')
        return Config(values)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise WrnError(f'{source}: the config in it is no plain one ({error})') from error


def read_own_config(meta: Mapping[str, Any], source: str) -> Config | None:
    """Read the config that a checkpoint holds.

    Args:
        meta: The ``meta`` of the checkpoint.
        source: The name of the file, for messages.

    Returns:
        The config, which says how pictures are prepared; None if there is none that does, or it
        is more than plain values.
    """
    if not isinstance(text := meta.get('cfg'), str):
        return None
    try:
        config = parse_config(text, source)
        get_test_dataset(config)
    except (WrnError, AttributeError, TypeError):
        return None
    return config if isinstance(config.get('model'), dict) else None


def get_dataset_meta(cfg: Config) -> dict[str, Any]:
    """Return what is known of the data set that a config tests with.

    Args:
        cfg: The config.

    Returns:
        Its ``METAINFO``, such as the names of its ``classes``; empty if nothing is known.
    """
    kind = find_class(registry.DATASETS, _test_dataset(cfg).get('type'))
    return getattr(kind, 'METAINFO', {})


def get_test_dataset(cfg: Config) -> ConfigDict:
    """Return the data set that a config tests with, out of what it may be wrapped in.

    Args:
        cfg: The config.

    Returns:
        The config of the data set, which has a ``pipeline``.

    Raises:
        WrnError: If there is none.
    """
    dataset = _test_dataset(cfg)
    if 'pipeline' not in dataset:
        raise WrnError(
            f'{cfg.filename or "config"}: has no test_dataloader.dataset.pipeline, which says how '
            'pictures are prepared'
        )
    return dataset


def get_dataset_type(cfg: Config) -> str:
    """Return the name of the type of the dataset that a config tests with; empty if it has none."""
    kind = _test_dataset(cfg).get('type') or ''
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__


def _test_dataset(cfg: Config) -> Any:
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


def find_class(registry: Registry, kind: Any) -> Any:
    """Find the class that a ``type`` of a config stands for.

    Args:
        registry: Where it is registered, if it is given by its name.
        kind: The name, or the class itself.

    Returns:
        The class; None if there is none of that name.
    """
    return registry.get(kind) if isinstance(kind, str) else kind


def set_default(cfg: Config, key: str, default: dict[str, Any]) -> ConfigDict:
    """Set what a config does not say, or says to be None; return what it then says.

    mmengine's ``setdefault`` returns what it was given, which is not what it has set.

    Args:
        cfg: The config, which is changed.
        key: A top-level key.
        default: What to set.

    Returns:
        The part of the config under the key; a change of it is one of the config.
    """
    if cfg.get(key) is None:
        cfg[key] = default
    return cfg[key]


def check_keys(cfg: Config) -> None:
    """Check that no top-level key is a misspelt one, which mmengine would leave unread.

    Args:
        cfg: The config of a run.

    Raises:
        WrnError: If a key is none of a runner's, but nearly.
    """
    known = inspect.signature(Runner).parameters
    for key in cfg.keys() - known:
        near = difflib.get_close_matches(key, known, cutoff=0.85)
        if near and not any(name in key for name in near):  # such as train_dataloader_1
            raise WrnError(f"{cfg.filename}: unknown key '{key}'{did_you_mean(key, known)}")
