"""The options of ``wrn features``."""

from wrn_base.options import DOWNLOAD_ARGUMENTS, INFERENCE_ARGUMENTS, OVERWRITE, argument, flag

DOCS = 'docs/features.md'
EXAMPLES = {
    'demo --model wide-resnet16-2_1xb64_digits --pool --out f.npy': 'one vector an image',
    'demo --model wide-resnet16-2_1xb64_digits --out f.safetensors': 'maps of layer2 and layer3',
}
ARGUMENTS = {
    '--model': argument('MODEL', 'model name, or path of a config or weights', required=True),
    '--stages': argument(
        'STAGE', 'any of layer1, layer2 and so on', ['layer2', 'layer3'], nargs='+'
    ),
    '--pool': flag('average the features over height and width'),
    '--out': argument(
        'FILE',
        'file to write (.npy, .safetensors, .parquet); for the first two, FILE.txt lists the '
        'images',
        required=True,
    ),
    **OVERWRITE,
    **INFERENCE_ARGUMENTS,
    **DOWNLOAD_ARGUMENTS,
}
