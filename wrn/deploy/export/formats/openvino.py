"""OpenVINO's format: the network in ``.xml``, its weights in ``.bin``."""

from pathlib import Path
from typing import Any

import torch

from wrn.deploy.engines.engine import Forward
from wrn.deploy.engines.graph import export_program
from wrn.deploy.engines.openvino import OpenVINOEngine, convert, get_core
from wrn.deploy.engines.quantization import quantize
from wrn.deploy.export.formats.export_format import Content, ReadableFormat
from wrn.deploy.export.metadata import KEY, ExportError
from wrn.utils.files import check_regular, explain, hash_file

_HASH = 'wrn_weights_sha256'
_PLACEHOLDER = 64 * '0'


class OpenVINOFormat(ReadableFormat):
    """Two files, with the metadata in the model's ``rt_info``.

    The ``rt_info`` also holds the SHA-256 of the weights. Nothing else shows whether the two files
    belong together.
    """

    name = 'openvino'
    suffix = '.xml'
    precisions = ('float32', 'float16', 'int8')
    requires = OpenVINOEngine.requires

    def write(self, content: Content, path: Path) -> None:
        """Write a network to a file."""
        import openvino

        model = convert(export_program(content.network, content.example), ['output'])
        model.reshape([-1, *content.example.shape[1:]])
        if content.precision == 'int8':
            model = quantize(model, content.calibration)
        model.set_rt_info(content.metadata, [KEY])
        model.set_rt_info(_PLACEHOLDER, [_HASH])
        openvino.save_model(model, str(path), compress_to_fp16=content.precision == 'float16')
        digest = hash_file(path.with_suffix('.bin'))
        path.write_bytes(path.read_bytes().replace(_PLACEHOLDER.encode(), digest.encode()))

    def files(self, path: Path) -> list[Path]:
        """Return the file of the weights and the file of the network."""
        return [path.with_suffix('.bin'), path]

    def load(self, path: Path, device: torch.device) -> tuple[Forward, str | None]:
        """Load a file in OpenVINO."""
        if missing := OpenVINOEngine.missing(device):
            raise ExportError(f'{path}: {missing}')
        weights = path.with_suffix('.bin')
        try:
            check_regular(weights)
        except OSError as error:
            raise ExportError(
                f'{path}: the file of its weights, {weights.name}, {explain(error)}; copy both '
                'files into the same folder'
            ) from error
        try:
            model = get_core().read_model(str(path), str(weights))
        except RuntimeError as error:
            reason = ' '.join(str(error).strip().splitlines()[-1].split())
            raise ExportError(
                f'{path}: OpenVINO cannot load it ({reason[:300]}); copy both files again, or '
                'export the model again'
            ) from error
        digest = _get(model, _HASH)
        if digest is not None and digest != hash_file(weights):
            raise ExportError(
                f'{path}: {weights.name} is damaged or from another export; copy both files again'
            )
        return OpenVINOEngine.from_model(model), _get(model, KEY)


def _get(model: Any, key: str) -> str | None:
    return model.get_rt_info([key]).astype(str) if model.has_rt_info([key]) else None
