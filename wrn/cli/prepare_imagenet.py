"""``wrn prepare-imagenet``: create the folders of ImageNet from its archives."""

import argparse
import shlex
from functools import partial

from rich.progress import track

from wrn.data.imagenet import prepare_imagenet
from wrn_base.live_line import ErrorConsole
from wrn_base.terminal import show


def run(args: argparse.Namespace) -> None:
    """Create the folders, or resume an interrupted run."""
    progress = partial(track, console=ErrorConsole())
    prepare_imagenet(args.folder, args.out, args.verify, progress, args.overwrite)
    show(f'{args.out}: is ready; `wrn check-data {shlex.quote(args.out)}` checks each image')
