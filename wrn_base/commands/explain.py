"""The options of ``wrn explain``."""

from wrn_base.options import (
    DOWNLOAD_ARGUMENTS,
    INFERENCE_ARGUMENTS,
    OVERWRITE,
    argument,
    choice,
    flag,
)

DOCS = 'docs/explain.md'
EXAMPLES = {
    'demo/digit_7.png --model wide-resnet16-2_1xb64_digits --out heat': 'the predicted class',
    'demo --model wide-resnet16-2_1xb64_digits --class 3 7 --out heat': 'two classes, side by side',
    'photos --model pets.pth --layer layer3 --out heat': 'a finer map',
}
METHODS = ('gradcam', 'hirescam', 'eigencam')
ARGUMENTS = {
    '--model': argument('MODEL', 'model name, or path of a config or weights', required=True),
    '--out': argument(
        'FOLDER',
        'folder for the heat maps (.png), the raw maps (.npy) and index.jsonl, which lists them; '
        'resumes an interrupted run',
        required=True,
    ),
    '--method': choice(METHODS, 'how maps are computed', 'gradcam'),
    '--class': argument(
        'CLASS',
        'names or indices of the classes to explain; several are also drawn side by side (default: '
        'the predicted class of each image)',
        nargs='+',
        dest='classes',
    ),
    '--layer': argument(
        'LAYER',
        'layer whose output is explained, such as layer3 (default: the last with a feature map)',
    ),
    **OVERWRITE,
    '--json': flag('print JSON: an object per image, in a line, as soon as it is explained'),
    **INFERENCE_ARGUMENTS,
    **DOWNLOAD_ARGUMENTS,
}
