"""``torch.export``'s archives, ``.pt2``."""

import json
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wrn.deploy.engines.graph import export_program, quiet
from wrn.deploy.export.archive import METADATA, Archive
from wrn.deploy.export.dataflow import Dataflow
from wrn.deploy.export.format import Content, Format, Run
from wrn.deploy.export.metadata import ExportError

_ATEN = 'torch.ops.aten.'
_FLOAT32 = 7  # in torch's schema of these files
_MEMORY_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    4: torch.preserve_format,
}
_PLAIN = ('as_int', 'as_ints', 'as_float', 'as_floats', 'as_bool', 'as_bools', 'as_string')


class TorchExportFormat(Format):
    """One file; what it says of itself is among its extra files.

    ``torch.export.load`` unpickles, and evaluates text, so it is for files of one's own. Others are
    read here as data: the graph is JSON, the weights are bytes.
    """

    name = 'torch-export'
    suffix = '.pt2'

    def write(self, content: Content, path: Path) -> None:
        """Write a network to a file."""
        program = export_program(content.network, content.example)
        for node in program.graph.nodes:
            node.meta.pop('stack_trace', None)  # where it was exported: paths of this machine
        with quiet():
            torch.export.save(program, path, extra_files={METADATA: content.metadata})

    def load(self, path: Path, device: torch.device) -> tuple[Run, bytes | None]:
        """Load a file without torch's loader."""
        archive = Archive(path)
        return _read_program(archive, path, device), archive.read_metadata()

    def load_plainly(self, path: Path) -> Run:
        """Load a file of our own by torch's loader."""
        with quiet():
            module = torch.export.load(path).module()
        return lambda inputs: (module(inputs),)


def _read_program(archive: Archive, path: Path, device: torch.device) -> Run:
    try:
        program = json.loads(archive.read('models/model.json'))['graph_module']
        configs = {
            kind: json.loads(archive.read(f'data/{kind}/model_{kind}_config.json'))['config']
            for kind in ('weights', 'constants')
        }
        weights: dict[str, Callable[[], Tensor]] = {}
        flow = Dataflow(path)
        for spec in program['signature']['input_specs']:
            ((kind, value),) = spec.items()
            if kind == 'user_input':
                flow.set_input(value['arg']['as_tensor']['name'])
                continue
            name = value[f'{kind}_name']
            place = 'weights' if name in configs['weights'] else 'constants'
            weights[value['arg']['name']] = _reader(archive, place, configs[place][name])
        for node in program['graph']['nodes']:
            _add_node(flow, node, weights)
        (output,) = program['signature']['output_specs']
        return flow.finish(flow.get(output['user_output']['arg']['as_tensor']['name']), device)
    except ExportError:
        raise
    except Exception as error:  # whatever it is, the file is not as torch writes it
        raise ExportError(f'{path}: the program in it is damaged ({error!r})') from error


def _reader(archive: Archive, place: str, payload: dict[str, Any]) -> Callable[[], Tensor]:
    """Make a function that reads a tensor: only those that are used are of interest."""

    def read() -> Tensor:
        meta = payload['tensor_meta']
        if payload['use_pickle'] or meta['dtype'] != _FLOAT32:
            raise ExportError(
                f'{archive.path}: refused, because it has weights that are no float32'
            )
        content = bytearray(archive.read(f'data/{place}/{payload["path_name"]}'))
        size, strides = ([item['as_int'] for item in meta[key]] for key in ('sizes', 'strides'))
        if prod(size) * 4 > len(content):
            raise ExportError(f'{archive.path}: the file is truncated')
        flat = torch.frombuffer(content, dtype=torch.float32)
        return flat.as_strided(size, strides, meta['storage_offset']['as_int'])

    return read


def _add_node(flow: Dataflow, node: dict[str, Any], weights: dict) -> None:
    target = str(node['target'])
    args, kwargs = [], {}
    for item in node['inputs']:
        value = _read_argument(flow, item['arg'], weights)
        if item['kind'] == 1:
            args.append(value)
        else:
            kwargs[str(item['name'])] = value
    name = target.removeprefix(_ATEN).partition('.')[0] if target.startswith(_ATEN) else target
    result = flow.call(name, args, kwargs)
    (output,) = node['outputs']
    ((kind, value),) = output.items()
    flow.set_value(value['as_name'] if kind == 'as_sym_int' else value['name'], result)


def _read_argument(flow: Dataflow, argument: dict[str, Any], weights: dict) -> Any:
    ((kind, value),) = argument.items()
    if kind in _PLAIN:
        return value
    if kind == 'as_none':
        return None
    if kind == 'as_memory_format':
        return _MEMORY_FORMATS[value]
    if kind == 'as_name':
        return flow.get(value)
    if kind == 'as_sym_int':
        return _read_argument(flow, value, weights)
    if kind in ('as_sym_ints', 'as_tensors'):
        kind = {'as_tensors': 'as_tensor'}.get(kind, 'as_sym_int')
        return [_read_argument(flow, {kind: item}, weights) for item in value]
    if kind != 'as_tensor':
        raise ExportError(f'{flow.path}: refused, because it has an argument of the kind {kind}')
    name = value['name']
    if name not in flow and name in weights:
        flow.set_constant(name, weights[name]())
    return flow.get(name)
