"""``wrn info``: show the card of a model."""

import argparse

from wrn.checkpoints import ReadOptions
from wrn.zoo.model_card import describe_resolved
from wrn.zoo.resolve import resolve
from wrn_base.card import print_card
from wrn_base.errors import WrnError


def run(args: argparse.Namespace) -> None:
    """Print the card of a model."""
    resolved = resolve(args.model, options=ReadOptions(args.key, args.prefix))
    if (args.key or args.prefix) and not resolved.file:
        raise WrnError(f'{args.model}: is no file of weights; leave out --key and --prefix')
    print_card(resolved.kind, list(describe_resolved(resolved)), args.json)
