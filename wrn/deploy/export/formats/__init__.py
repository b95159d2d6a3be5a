"""All formats of exported files.

In: a network and its metadata. Out: a file; two formats also read files. Open ``export_format``
first: it is the interface. Each other module has one format.
"""

from wrn.deploy.export.formats.export_format import Format
from wrn.deploy.export.formats.onnx import OnnxFormat
from wrn.deploy.export.formats.openvino import OpenVINOFormat
from wrn.deploy.export.formats.torch_export import TorchExportFormat
from wrn.deploy.export.formats.torchscript import TorchScriptFormat

FORMATS: dict[str, Format] = {
    kind.name: kind
    for kind in (OnnxFormat(), OpenVINOFormat(), TorchScriptFormat(), TorchExportFormat())
}
