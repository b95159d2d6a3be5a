"""ONNX, for ONNX Runtime and many other runtimes."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from wrn.deploy.engines.engine import Forward
from wrn.deploy.engines.graph import export_onnx, export_program
from wrn.deploy.engines.onnx_runtime import OnnxRuntimeEngine
from wrn.deploy.export.formats.export_format import Content, ReadableFormat
from wrn.deploy.export.metadata import KEY, ExportError
from wrn.utils.packages import missing_packages

_DIGEST = f'{KEY}-sha256'  # of the graph with its weights


class OnnxFormat(ReadableFormat):
    """One file, with the metadata in its ``metadata_props``."""

    name = 'onnx'
    suffix = '.onnx'
    requires = OnnxRuntimeEngine.requires

    def write(self, content: Content, path: Path) -> None:
        """Write a network to a file."""
        exported = export_onnx(export_program(content.network, content.example), ['output'])
        exported.model.metadata_props[KEY] = content.metadata
        for node in exported.model.graph:
            node.metadata_props.clear()  # contains paths of the machine that exports
        model = exported.model_proto
        model.metadata_props.add(key=_DIGEST, value=_digest(model))
        path.write_bytes(model.SerializeToString())

    def load(self, path: Path, device: torch.device) -> tuple[Forward, str | None]:
        """Load a file in ONNX Runtime."""
        missing = missing_packages('onnx', 'onnxruntime')
        if missing := missing or OnnxRuntimeEngine.missing_provider(device):
            raise ExportError(f'{path}: {missing}')
        import onnx

        content = path.read_bytes()
        try:
            model = onnx.load_model_from_string(content)
        except Exception as error:  # each implementation of protobuf has an error of its own
            raise ExportError(f'{path}: truncated, or not ONNX; copy it again') from error
        _check_dataflow(model, path)
        texts = {entry.key: entry.value for entry in model.metadata_props}
        if texts.get(_DIGEST) not in (None, _digest(model)):
            raise ExportError(f'{path}: damaged, or changed after the export; copy it again')
        del model
        return OnnxRuntimeEngine.from_bytes(content, str(path), device), texts.get(KEY)


def _digest(model: Any) -> str:
    return hashlib.sha256(model.graph.SerializeToString(deterministic=True)).hexdigest()


def _check_dataflow(model: Any, path: Path) -> None:
    """Check that a model is plain dataflow of standard operators, with all weights in the file."""
    import onnx

    others = [node for node in model.graph.node if node.domain not in ('', 'ai.onnx')]
    if others or model.functions:
        kind = f'{others[0].domain}.{others[0].op_type}' if others else model.functions[0].name
        raise ExportError(f'{path}: {kind} is not a standard ONNX operator; export the model again')
    for attribute in (part for node in model.graph.node for part in node.attribute):
        if attribute.HasField('g') or attribute.graphs:
            raise ExportError(f'{path}: has conditions or loops; export the model again')
    for tensor in _find_tensors(model.graph):
        if onnx.external_data_helper.uses_external_data(tensor):
            raise ExportError(
                f'{path}: has weights in other files ({tensor.name}); export it as one file'
            )


def _find_tensors(graph: Any) -> Iterator[Any]:
    """Yield all tensors of a graph, including the parts of sparse ones."""
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    yield from graph.initializer
    yield from (attribute.t for attribute in attributes)
    yield from (tensor for attribute in attributes for tensor in attribute.tensors)
    sparse = [*graph.sparse_initializer, *(attribute.sparse_tensor for attribute in attributes)]
    sparse += [tensor for attribute in attributes for tensor in attribute.sparse_tensors]
    yield from (part for tensor in sparse for part in (tensor.values, tensor.indices))
