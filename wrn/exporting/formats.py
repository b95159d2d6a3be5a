"""The formats that there are."""

from wrn.exporting.format import Format
from wrn.exporting.onnx import OnnxFormat
from wrn.exporting.openvino import OpenVINOFormat
from wrn.exporting.torch_export import TorchExportFormat
from wrn.exporting.torchscript import TorchScriptFormat

FORMATS: dict[str, Format] = {
    kind.name: kind
    for kind in (OnnxFormat(), OpenVINOFormat(), TorchScriptFormat(), TorchExportFormat())
}
