"""The options of ``wrn export``."""

from wrn_base.options import (
    CHECKPOINT,
    DOWNLOAD_ARGUMENTS,
    OVERWRITE,
    WEIGHTS_ARGUMENTS,
    argument,
    choice,
    flag,
)

DOCS = 'docs/export.md'
EXAMPLES = {
    'wide-resnet16-2_1xb64_digits --format onnx --out digits.onnx': 'ONNX',
    'work_dirs/pets/pets-0123abcd.pth --format openvino': 'your own weights',
}
FORMATS = ('onnx', 'openvino', 'torchscript', 'torch-export')
PRECISIONS = ('float32', 'float16', 'int8')
ARGUMENTS = {
    'model': argument('MODEL', 'model name, or path of a config or weights'),
    '--format': choice(FORMATS, 'format to write', required=True),
    '--checkpoint': CHECKPOINT,
    **WEIGHTS_ARGUMENTS,
    '--out': argument(
        'FILE', 'file to write (default: the model name and the suffix of the format)'
    ),
    **OVERWRITE,
    '--preprocess': flag(
        'include the normalization; the input is then uint8 RGB images (N, H, W, 3) of the right '
        'size (default: normalized images (N, 3, H, W))'
    ),
    '--softmax': flag('output probabilities (default: logits)'),
    '--precision': choice(
        PRECISIONS,
        'precision of the weights; float16 and int8 are for openvino',
        'float32',
    ),
    '--calibration': argument('FOLDER', 'a few hundred images to calibrate int8 with'),
    **DOWNLOAD_ARGUMENTS,
}
