"""The options of ``wrn overfit``."""

from wrn_base.options import (
    DOWNLOAD_ARGUMENTS,
    SETTINGS_ARGUMENT,
    VERBOSE_ARGUMENT,
    argument,
    number,
)

DOCS = 'docs/training.md'
EXAMPLES = {
    'wide-resnet16-2_1xb64_digits': 'finds out within a minute whether a setup learns',
    'CONFIG --steps 200': 'more steps',
}
ARGUMENTS = {
    'config': argument('CONFIG', 'path of a config, or model name'),
    '--batch-size': number('images in the batch', 16),
    '--steps': number('steps to take at most', 100),
    **SETTINGS_ARGUMENT,
    **VERBOSE_ARGUMENT,
    **DOWNLOAD_ARGUMENTS,
}
