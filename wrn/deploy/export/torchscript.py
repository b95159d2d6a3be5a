"""TorchScript's archives, ``.torchscript``, which C++ reads, too."""

import ast
import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wrn.deploy.export.archive import METADATA, Archive, write_archive
from wrn.deploy.export.dataflow import OPERATORS, Dataflow
from wrn.deploy.export.format import Content, Format, Run
from wrn.deploy.export.metadata import ExportError

_MEMORY_FORMATS = {0: torch.contiguous_format, 1: torch.preserve_format, 2: torch.channels_last}
_DEBUG = '.debug_pkl'  # where each line of code is from: paths of this machine


class TorchScriptFormat(Format):
    """One file; what it says of itself is among its extra files.

    ``torch.jit.load`` runs what a file says to do when it is loaded, so it is for files of one's
    own. Others are read here as data: the text of one function that applies operators, and tensors.
    """

    name = 'torchscript'
    suffix = '.torchscript'

    def write(self, content: Content, path: Path) -> None:
        """Write a network to a file."""
        written = io.BytesIO()
        with _deprecation_silenced(), torch.no_grad():
            script = torch.jit.freeze(
                torch.jit.trace(content.network, content.example, check_trace=False)
            )
            torch.jit.save(script, written, _extra_files={METADATA: content.metadata})
        archive = Archive(written)
        kept = [name for name in archive.names if not name.endswith(_DEBUG)]
        write_archive(path, path.stem, ((name, archive.read(name)) for name in kept))

    def load(self, path: Path, device: torch.device) -> tuple[Run, bytes | None]:
        """Load a file without torch's loader."""
        archive = Archive(path)
        return _read_program(archive, path, device), archive.read_metadata()

    def load_plainly(self, path: Path) -> Run:
        """Load a file of our own by torch's loader."""
        with _deprecation_silenced():
            module = torch.jit.load(path)
        return lambda inputs: (module(inputs),)


@contextlib.contextmanager
def _deprecation_silenced() -> Iterator[None]:
    """Keep torch 2.14 from calling TorchScript deprecated: who asks for it has a use for it."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', r'`torch\.jit\.\w+` is deprecated', FutureWarning)
        yield


def _read_program(archive: Archive, path: Path, device: torch.device) -> Run:
    codes = [name for name in archive.names if name.startswith('code/') and name.endswith('.py')]
    if len(codes) != 1:
        raise ExportError(f'{path}: refused, because it has {len(codes)} files of code, not one')
    flow = Dataflow(path)
    try:
        (module,) = ast.parse(archive.read(codes[0]).decode('ascii')).body
        for node in ast.walk(module):  # first, since what a file does tells more than how
            match node:
                case ast.Call(ast.Attribute(ast.Name('torch'), name)) if name in OPERATORS:
                    pass
                case ast.Call():
                    raise _refuse(path, node)
        function = _find_forward(module, path)
        _, inputs = function.args.args
        flow.set_input(inputs.arg)
        for i, tensor in enumerate(_read_constants(archive)):
            flow.set_constant(f'CONSTANTS.c{i}', tensor)
        *statements, end = function.body
        for statement in statements:
            match statement:
                case ast.Assign([ast.Name(name)], value):
                    flow.set_value(name, _evaluate(flow, value))
                case _:
                    raise _refuse(path, statement)
        if not isinstance(end, ast.Return) or end.value is None:
            raise _refuse(path, end)
        return flow.finish(_evaluate(flow, end.value), device)
    except ExportError:
        raise
    except Exception as error:  # whatever it is, the file is not as torch writes it
        raise ExportError(f'{path}: the program in it is damaged ({error!r})') from error


def _find_forward(module: ast.stmt, path: Path) -> ast.FunctionDef:
    """Find the only function, in a class that has no state."""
    if not isinstance(module, ast.ClassDef):
        raise _refuse(path, module)
    functions = []
    for statement in module.body:
        match statement:
            case ast.FunctionDef('forward'):
                functions.append(statement)
            case ast.Assign([ast.Name('__parameters__' | '__buffers__')], ast.List([])):
                pass
            case ast.AnnAssign(value=None):  # the type of an attribute, which nothing here uses
                pass
            case ast.FunctionDef(name):
                raise ExportError(f'{path}: refused, because it has a function {name}')
            case _:
                raise _refuse(path, statement)
    (function,) = functions
    return function


def _evaluate(flow: Dataflow, node: ast.expr) -> Any:
    """Turn an expression into values and calls of operators."""
    match node:
        case ast.Constant(None | bool() | int() | float() | str() as value):
            return value
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as value)):
            return -value
        case ast.Name(name):
            return flow.get(name)
        case ast.Attribute(ast.Name('CONSTANTS'), name):
            return flow.get(f'CONSTANTS.{name}')
        case ast.List(items):
            return [_evaluate(flow, item) for item in items]
        case ast.Call(ast.Attribute(ast.Name('torch'), name), args, keywords):
            named = {str(keyword.arg): _evaluate(flow, keyword.value) for keyword in keywords}
            if 'memory_format' in named:
                named['memory_format'] = _MEMORY_FORMATS[named['memory_format']]
            return flow.call(name, [_evaluate(flow, item) for item in args], named)
    raise _refuse(flow.path, node)


def _refuse(path: Path, node: ast.AST) -> ExportError:
    node = node.value if isinstance(node, ast.Expr) else node
    asked = ast.unparse(node.func if isinstance(node, ast.Call) else node).splitlines()[0][:80]
    return ExportError(
        f'{path}: refused, because it asks for {asked}, which is no operator that a network needs'
    )


def _read_constants(archive: Archive) -> list[Tensor]:
    """Read the tensors, which lie as those of a checkpoint do, but for the names of the entries."""
    places = {'constants.pkl': 'data.pkl', 'version': 'version', 'byteorder': 'byteorder'}
    for name in archive.names:
        if name.startswith('constants/'):
            places[name] = name.replace('constants/', 'data/')
    checkpoint = io.BytesIO()
    entries = ((new, archive.read(old)) for old, new in places.items() if old in archive.names)
    write_archive(checkpoint, 'archive', entries)
    checkpoint.seek(0)
    try:
        tensors = torch.load(checkpoint, weights_only=True)
    except Exception as error:  # the unpickler raises whatever it likes
        reason = ' '.join(str(error).split()).partition('. ')[0]
        raise ExportError(
            f'{archive.path}: refused, because of its constants ({reason})'
        ) from error
    if not all(isinstance(tensor, Tensor) for tensor in tensors):
        raise ExportError(f'{archive.path}: refused, because it has constants that are no tensors')
    return list(tensors)
