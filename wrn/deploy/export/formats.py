"""All formats of exported files."""

from wrn.deploy.export.format import Format
from wrn.deploy.export.onnx import OnnxFormat
from wrn.deploy.export.openvino import OpenVINOFormat
from wrn.deploy.export.torch_export import TorchExportFormat
from wrn.deploy.export.torchscript import TorchScriptFormat

FORMATS: dict[str, Format] = {
    kind.name: kind
    for kind in (OnnxFormat(), OpenVINOFormat(), TorchScriptFormat(), TorchExportFormat())
}
