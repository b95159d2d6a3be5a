"""The options of ``wrn convert``."""

from wrn_base.commands.publish import DESCRIPTION_ARGUMENTS
from wrn_base.options import DOWNLOAD_ARGUMENTS, WEIGHTS_ARGUMENTS, argument, choice

DOCS = 'docs/weights.md'
EXAMPLES = {
    'wide_resnet50_2-95faca4d.pth': "torchvision's file to OpenMMLab's keys",
    'wrn://wide-resnet50_3rdparty_8xb32_in1k --to timm': "a published model to timm's keys",
}
TARGETS = (
    'openmmlab', 'openmmlab-0.x', 'torchvision', 'timm', 'authors', 'authors-cifar', 'xternalz',
    'usb', 'deepmind', 'meliketoy', 'sam'
)  # fmt: skip
ARGUMENTS = {
    'checkpoint': argument('MODEL', 'model name, or path, URL or hf://USER/REPO of weights'),
    'name': argument(
        'NAME',
        'name of the file to write, .pth or .safetensors; the hash is appended (default: the name '
        'of the model, or of the file that is read)',
        nargs='?',
    ),
    '--to': choice(TARGETS, 'format to write', 'openmmlab'),
    '--config': argument(
        'CONFIG',
        'config path or model name, to record its preprocessing (default: that of the published '
        "model or of the file, else that of torchvision's first weights or of the paper)",
    ),
    **WEIGHTS_ARGUMENTS,
    **DESCRIPTION_ARGUMENTS,
    **DOWNLOAD_ARGUMENTS,
}
