"""``wrn prepare-imagenet``: create the folders of ImageNet from its archives."""

import argparse
from functools import partial

from rich.console import Console
from rich.progress import track

from wrn.cli.arguments import argument, flag
from wrn.data.imagenet import prepare_imagenet
from wrn_base.terminal import show

HELP = "create ImageNet's train and val folders from the official archives or Kaggle's download"
ARGUMENTS = {
    'folder': argument(
        'FOLDER', "folder with the official ILSVRC2012_* archives, or with Kaggle's ILSVRC folder"
    ),
    'out': argument('OUT', 'folder to create', 'data/imagenet', nargs='?'),
    '--verify': flag('first compare the MD5 hashes of the archives with the official ones'),
}


def run(args: argparse.Namespace) -> None:
    """Create the folders, or resume an interrupted run."""
    progress = partial(track, console=Console(stderr=True))
    prepare_imagenet(args.folder, args.out, args.verify, progress)
    show(f'{args.out}: is ready; `wrn check-data {args.out}` checks each image')
