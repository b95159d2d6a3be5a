"""The options of ``wrn train``."""

from wrn_base.options import DOWNLOAD_ARGUMENTS, TRAIN_ARGUMENTS, argument

DOCS = 'docs/training.md'
EXAMPLES = {
    'wide-resnet28-10_8xb16_cifar10': 'by the recipe of a model',
    'wide-resnet16-2_1xb64_digits --epochs 5 --batch-size 32': 'schedule and rate are scaled',
    'wide-resnet16-2_1xb64_digits --work-dir run --resume': 'resume an interrupted run',
}
ARGUMENTS = {
    'config': argument('CONFIG', 'path of a config, or model name'),
    **TRAIN_ARGUMENTS,
    **DOWNLOAD_ARGUMENTS,
}
