"""The options of ``wrn app``."""

from wrn_base.options import (
    BACKEND_ARGUMENTS,
    CHECKPOINT,
    DOWNLOAD_ARGUMENTS,
    INFERENCE_ARGUMENTS,
    WEIGHTS_ARGUMENTS,
    argument,
    decimal,
    number,
)

DOCS = 'docs/app.md'
EXAMPLES = {
    'wide-resnet16-2_1xb64_digits': 'a page at http://127.0.0.1:7860',
    'work_dirs/pets/pets-0123abcd.pth --port 8000': 'a model of your own',
    'digits.onnx --host 0.0.0.0': 'an exported file, for all machines of the network',
}
ARGUMENTS = {
    'model': argument('MODEL', 'model name, or path of a config, weights or an exported file'),
    '--host': argument('ADDRESS', 'address to listen at', '127.0.0.1'),
    '--port': number('port to listen at; 0 for any', 7860),
    '--allow-host': argument(
        'NAME', 'name by which clients reach the server, such as that of a proxy', nargs='+'
    ),
    '--checkpoint': CHECKPOINT,
    **WEIGHTS_ARGUMENTS,
    '--device': INFERENCE_ARGUMENTS['--device'],
    'speed': {
        '--batch-size': number('images per batch, at most', 8),
        **BACKEND_ARGUMENTS,
    },
    'limits': {
        '--max-image-mb': argument('MB', 'size of an image', 10.0, type=decimal),
        '--max-request-mb': argument('MB', 'size of a request', 50.0, type=decimal),
        '--max-megapixels': argument('MP', 'pixels of an image, in millions', 50.0, type=decimal),
        '--queue': number('images that wait at a time, and images of a request', 64),
        '--timeout': argument('SECONDS', 'time until a request is answered', 30.0, type=decimal),
    },
    **DOWNLOAD_ARGUMENTS,
}
