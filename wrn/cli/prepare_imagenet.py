"""``wrn prepare-imagenet``: create the folders of ImageNet from its archives."""

import argparse
from functools import partial

from rich.console import Console
from rich.progress import track

from wrn.data.imagenet import prepare_imagenet

HELP = "make ImageNet's train and val folders out of the official archives, or Kaggle's"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('source', help="folder of the ILSVRC2012_*.tar files, or Kaggle's folder")
    parser.add_argument(
        'out', nargs='?', default='data/imagenet', help='folder to make (default: data/imagenet)'
    )
    parser.add_argument(
        '--verify', action='store_true', help="compare the archives' MD5 with the official ones"
    )


def run(args: argparse.Namespace) -> None:
    """Create the folders, or resume an interrupted run."""
    show = partial(track, console=Console(stderr=True))
    prepare_imagenet(args.source, args.out, args.verify, show)
    print(f'{args.out}: is ready; `wrn check-data {args.out}` looks at each picture')
