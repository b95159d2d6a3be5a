"""Report mistakes in a config in one line."""

import contextlib
import inspect
import re
import traceback
from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any

import cv2
from mmengine.registry import Registry
from mmpretrain import registry
from torch.utils.data import DataLoader

from wrn.utils.memory import is_out_of_memory
from wrn_base.errors import WrnError, did_you_mean, is_full_or_closed

_UNTYPED = re.compile(
    r"""must contain the key "type", but got (.+?)(?: None)?$|^type$|attribute 'type'$"""
)
_HEAD = re.compile(r'shapes cannot be multiplied \(\d+x(\d+) and')
_CHANNELS = re.compile(r'size of tensor a .*must match|expected input.* to have \d+ channels')
_LONGEST = 1000  # characters of a message, which may contain a value of the config
_UNEXPECTED = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")
_UNREGISTERED = re.compile(r'(\S+) is not in the (?:\S+::)?([\w ]+) registry')


@contextlib.contextmanager
def config_errors(
    path: str | PathLike[str] | None, unless: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Turn exceptions that a mistake in a config causes into one-line errors.

    Args:
        path: The path of the config file, for the message.
        unless: Returns True if the config is not the cause, for instance because the run has
            started. The exception then passes unchanged. Defaults to a function that returns False.

    Raises:
        WrnError: If the block raises any exception while it reads or builds the config.
    """
    try:
        yield
    except Exception as error:  # constructors check their arguments with exceptions of any type
        message = describe_error(error)
        if isinstance(error, WrnError) and 'Traceback' in str(error):  # from a worker process
            raise type(error)(message.partition(': ')[2]) from error  # without the class name
        if isinstance(error, WrnError) or unless() or is_full_or_closed(error):
            raise
        raise WrnError(f'{path or "config"}: {message}') from error


def find_unexpected(error: BaseException | None) -> str | None:
    """Return the keyword argument that a constructor does not have, if an exception is due to it.

    Args:
        error: The exception.
    """
    found = _UNEXPECTED.search(str(error)) if isinstance(error, TypeError) else None
    return found and found[2]


def describe_error(error: Exception) -> str:
    """Return the message of an exception that a mistake in a config causes, in one line.

    Args:
        error: The exception.
    """
    message = str(error.args[0] if len(error.args) == 1 else error).strip()
    if 'Traceback' in message:  # from a worker process of a data loader
        message = message.splitlines()[-1]
    message = ' '.join(message.split())[:_LONGEST]
    if isinstance(error, SyntaxError) and error.lineno:
        return f'syntax error in line {error.lineno}: {error.msg}'
    if isinstance(error, RecursionError):
        return 'nested too deeply to be a config; simplify it'
    kind = type(error).__name__
    if not message:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f'{kind} in `{frame.line}` ({frame.filename}:{frame.lineno})'
    if unregistered := _UNREGISTERED.search(message):
        name, registry_name = unregistered.groups()
        return f"unknown {registry_name} type '{name}'{_suggest_types(name, registry_name)}"
    if isinstance(error, TypeError) and (unexpected := _UNEXPECTED.search(message)):
        # Python 3.13 adds a suggestion of its own, from fewer names.
        return f'{message[: unexpected.end()]}{_suggest_arguments(*unexpected.groups())}'
    if isinstance(error, FileNotFoundError) and error.filename:
        return f'no such file: {error.filename}; check _base_ and the other paths in the config'
    if untyped := _UNTYPED.search(message):
        part = f': {untyped[1][:200]}' if untyped[1] else ''
        return f"a part has no type{part}; check its keys, and add type='...'"
    if shapes := _HEAD.search(message):
        return f'{message}; set model.head.in_channels={shapes[1]} if it is the head'
    if _CHANNELS.search(message):
        cure = 'check the channels in data_preprocessor, model.backbone.in_channels and color_type'
        return f'{message}; {cure}'
    if message.startswith('DataLoader worker'):
        return f'{message}; its own error is above, if it has one; without workers: --workers 0'
    if is_out_of_memory(error):
        return 'asks for more memory than there is; lower the width, the classes or the image size'
    if isinstance(error, KeyError) and message in ('inputs', 'data_samples'):
        return f"a pipeline gives no {message}; end it with dict(type='PackInputs')"
    if isinstance(error, cv2.error):
        return f'{message}; check the sizes in the pipeline'
    if 'pkg_resources' in message:
        return (
            "_base_: 'package::path' needs pkg_resources, which setuptools no longer includes; "
            "install 'setuptools<81', or give the path of the file"
        )
    vague = isinstance(error, KeyError | AttributeError | AssertionError)
    return f'{kind}: {message}' if vague and not message.startswith(kind) else message


def _list_modules() -> Iterator[tuple[str, str, Any]]:
    """Yield the registry, the name, and the class or function of all that a config can name."""
    for ours in vars(registry).values():
        if isinstance(ours, Registry):
            for owner in (ours, *((ours.parent,) if ours.parent else ())):
                for name, module in owner.module_dict.items():
                    yield ours.name, name, module


def _suggest_types(name: str, registry_name: str) -> str:
    known = {key for of, key, _ in _list_modules() if of == registry_name}
    return did_you_mean(name.rpartition('.')[2], known)


def _suggest_arguments(owner: str, name: str) -> str:
    """Suggest arguments of a class or function, which may be the base of a registered class."""
    if name == 'num_classes':  # of a whole model, as in torchvision and timm
        return '; set it in the head, such as head=dict(num_classes=37)'
    known = {
        argument
        for module in (DataLoader, *(module for _, _, module in _list_modules()))
        for part in (module.__mro__ if isinstance(module, type) else (module,))
        if part is not object and getattr(part, '__name__', None) == owner
        for argument in inspect.signature(part).parameters
    }
    return did_you_mean(name, known)
