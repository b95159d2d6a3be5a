"""``wrn info``: show the card of a model. The card of a name needs no torch."""

import argparse
from pathlib import Path

from wrn_base import model_index
from wrn_base.options import CHOICE_ARGUMENTS, DOWNLOAD_ARGUMENTS, argument, flag

DOCS = 'docs/weights.md'
EXAMPLES = {
    'wide-resnet50_3rdparty_8xb32_in1k': 'a model of `wrn list`',
    'timm/wide_resnet50_2.tv_in1k': 'the name of its weights in another library',
    'work_dirs/pets/pets-0123abcd.pth': 'a file of weights',
}
ARGUMENTS = {
    'model': argument(
        'MODEL',
        'model name, here or in torchvision or timm, or path of a config, weights or an exported '
        'file',
    ),
    '--json': flag('print JSON: an object with all that is known'),
    **CHOICE_ARGUMENTS,
    **DOWNLOAD_ARGUMENTS,
}


def run(args: argparse.Namespace) -> bool:
    """Print the card of a model of the index.

    Args:
        args: The arguments.

    Returns:
        Whether the model is one. ``wrn.cli.info`` shows the others.
    """
    name = args.model.removeprefix(model_index.SCHEME)
    entry = model_index.find(name)
    if entry is None or Path(args.model).is_file() or args.key or args.prefix:
        return False
    from wrn_base import card  # imports mmengine, which takes longer than the rest

    config = card.read_config(entry)
    pipeline = config.test_dataloader.dataset.pipeline
    images = card.describe_images(pipeline, config.get('data_preprocessor') or {})
    card.print_card('name', card.describe_entry(entry, config, images), args.json)
    return True
