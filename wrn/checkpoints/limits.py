"""Bounds on what a checkpoint may claim, so that reading it takes bounded time and memory.

:func:`check_archive` and :func:`check_pickle` look at a file before torch reads it, because torch
trusts the sizes in it, and because hashing a deeply nested tuple crashes the interpreter.
:func:`check_content` looks at what was read, before anything walks through it.
"""

import itertools
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from mmengine.logging import HistoryBuffer
from torch import Tensor

MAX_TENSORS = 20_000  # wide-resnet152 has 932; optimizers and averages multiply that
MAX_HEADER = 16 << 20  # bytes of the header of a .safetensors file
MAX_OPERATIONS = 1_000_000  # of the unpickler, which takes about 50 for each tensor
MAX_DEPTH = 64  # levels of tuples, lists and dicts in each other
MAX_VALUES = 5_000_000  # counted as often as they are referred to
_MAX_GROWTH = 10  # bytes of content for each byte of the file; floats hardly compress
_SLACK = 1 << 20  # bytes of content that any file may have

_TUPLES = {'EMPTY_TUPLE': 0, 'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
_OTHER = (0, 1)  # depth and number of values of anything but a tuple


class LimitError(Exception):
    """A checkpoint that would take more time or memory than any weights do."""


def check_archive(path: Path) -> None:
    """Check the sizes that the directory of a zip archive claims.

    Args:
        path: The archive.

    Raises:
        LimitError: If the archive has too many entries, or would unpack to much more than its
            own size.
        zipfile.BadZipFile: If it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if len(entries) > 2 * MAX_TENSORS:
        raise LimitError(f'{len(entries)} entries, more than {2 * MAX_TENSORS}')
    _check_growth(sum(entry.file_size for entry in entries), path.stat().st_size)


def check_pickle(file: IO[bytes]) -> None:
    """Follow the operations of a pickle, without running any.

    Args:
        file: The pickle. It is read up to its end, which need not be that of the file.

    Raises:
        LimitError: If there are too many operations, or tuples nested too deeply.
    """
    stack: list[tuple[int, int]] = []
    marked: list[list[tuple[int, int]]] = []
    memo: dict[Any, tuple[int, int]] = {}
    for number, (operation, argument, _) in enumerate(pickletools.genops(file)):
        name = operation.name
        if number == MAX_OPERATIONS:
            raise LimitError(f'more than {MAX_OPERATIONS} values')
        if name == 'MARK':
            marked.append(stack)
            stack = []
        elif name.endswith('PUT'):
            memo[argument] = stack[-1]
        elif name.endswith('GET'):
            stack.append(memo[argument])
        else:
            size = _TUPLES.get(name, len(operation.stack_before))
            if pickletools.markobject in operation.stack_before:
                size, items, stack = len(stack), stack, marked.pop()
                # The rest of what is taken is below the mark: the list or dict to add to.
                result = _join(items) if name == 'TUPLE' else _OTHER
                del stack[len(stack) - operation.stack_before.index(pickletools.markobject) :]
            else:
                result = _join(stack[-size:] if size else ()) if name in _TUPLES else _OTHER
                del stack[max(0, len(stack) - size) :]
            stack.extend(result for _ in operation.stack_after)


def _join(items: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Return the depth and the number of values of a tuple."""
    items = list(items)
    depth = 1 + max((depth for depth, _ in items), default=0)
    return _check_nesting(depth, 1 + sum(values for _, values in items))


def _check_nesting(depth: int, values: int) -> tuple[int, int]:
    if depth > MAX_DEPTH:
        raise LimitError(f'values nested in more than {MAX_DEPTH} levels')
    if values > MAX_VALUES:
        raise LimitError(f'more than {MAX_VALUES} values')
    return depth, values


def check_content(content: Any, size: int, may_be_meta: bool = False) -> None:
    """Check what was read from a file.

    Args:
        content: The content.
        size: The size of the file in bytes.
        may_be_meta: Whether its tensors were to be put on the meta device. Defaults to False.

    Raises:
        LimitError: If values are nested too deeply or too many, if a tensor has no data, if
            tensors are much larger than the file, or if an attribute replaces a method of a dict.
    """
    known: dict[int, tuple[int, int]] = {}  # depth and number of values of each container
    tensors: list[Tensor] = []
    waiting: list[tuple[Any, bool]] = [(content, False)]
    while waiting:
        value, complete = waiting.pop()
        children = _children(value)
        if complete:
            parts = [known.get(id(child), _OTHER) for child in children]
            known[id(value)] = _join(parts)
        elif children and id(value) not in known:
            known[id(value)] = _OTHER  # while its parts are measured, so that a cycle ends
            waiting.append((value, True))
            waiting.extend((child, False) for child in children)
        elif isinstance(value, Tensor):
            tensors.append(value)
            if value.is_meta and not may_be_meta:
                raise LimitError('tensors of the meta device, without values')
        if isinstance(value, OrderedDict) and vars(value).keys() - {'_metadata'}:
            raise LimitError(f'a dict with attributes ({", ".join(vars(value))})')
    if len(tensors) > MAX_TENSORS:
        raise LimitError(f'{len(tensors)} tensors, more than {MAX_TENSORS}')
    _check_growth(sum(tensor.numel() * tensor.element_size() for tensor in tensors), size)


def _children(value: Any) -> Any:
    """Return the values in a container."""
    if isinstance(value, HistoryBuffer):
        return [vars(value)]
    if isinstance(value, dict):
        return list(itertools.chain(value, value.values()))
    return value if isinstance(value, list | tuple | set | frozenset) else ()


def _check_growth(content: int, size: int) -> None:
    if content > _MAX_GROWTH * size + _SLACK:
        raise LimitError(f'{content} bytes in a file of {size}, more than {_MAX_GROWTH} for each')
