"""The options of ``wrn verify``."""

from wrn_base.options import (
    DOWNLOAD_ARGUMENTS,
    RUN_ARGUMENTS,
    VERBOSE_ARGUMENT,
    argument,
    decimal,
    flag,
)

TOLERANCE = 0.1  # percentage points
DOCS = 'docs/weights.md'
EXAMPLES = {
    'wide-resnet16-2_1xb64_digits': 'the embedded model, in seconds',
    'wide-resnet50_3rdparty_8xb32_in1k --data data/imagenet': 'downloads the weights',
}
ARGUMENTS = {
    'model': argument('MODEL', 'name of a model with published weights'),
    '--data': argument(
        'FOLDER', "folder that contains ImageNet's val (default: that of the config, data/imagenet)"
    ),
    '--tolerance': argument(
        'POINTS',
        'largest difference from the published figures, in percentage points',
        TOLERANCE,
        type=decimal,
    ),
    '--json': flag('print JSON: the figures, published and found'),
    **RUN_ARGUMENTS,
    '--work-dir': argument(
        'FOLDER', 'folder for the log (default: work_dirs/ and the name of the config)'
    ),
    **VERBOSE_ARGUMENT,
    **DOWNLOAD_ARGUMENTS,
}
