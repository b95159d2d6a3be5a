"""The options of ``wrn config``."""

from wrn_base.options import OVERWRITE, SETTINGS_ARGUMENT, argument

DOCS = 'docs/training.md'
EXAMPLES = {
    'wide-resnet28-10_8xb16_cifar10': 'what a recipe consists of',
    'wide-resnet28-10_8xb16_cifar10 --out mine.py': 'a file to change, and to train by',
    'mine.py --cfg-options train_cfg.max_epochs=5': 'a config with a setting applied',
}
ARGUMENTS = {
    'config': argument('CONFIG', 'path of a config, or model name'),
    '--out': argument('FILE', 'file to write (.py) (default: print)'),
    **OVERWRITE,
    **SETTINGS_ARGUMENT,
}
