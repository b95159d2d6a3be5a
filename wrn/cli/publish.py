"""``wrn publish``: reduce a training checkpoint to what others need."""

import argparse

from wrn.checkpoints.tensor_hash import KEY
from wrn.cli.written_weights import print_left_out, print_written
from wrn.hub.hub_repository import CARD, WEIGHTS
from wrn.jobs.publish import publish
from wrn_base.terminal import say, show

_OPTIONS = (
    'folder', 'source', 'license', 'overwrite', 'key', 'prefix', 'push_to_hub', 'private', 'report',
    'dataset',
)  # fmt: skip


def run(args: argparse.Namespace) -> None:
    """Write the file, and print what it holds and what was left out."""
    done = publish(args.checkpoint, args.name, **{name: getattr(args, name) for name in _OPTIONS})
    print_left_out(done.weights)
    if 'cfg' not in (done.meta or {}):
        say(
            f'{args.checkpoint}: contains no config of its network, so the new file has none; '
            '`wrn convert` writes one'
        )
    left = sorted(done.weights.meta.keys() - (done.meta or {}).keys() - {KEY})
    if left:
        show(f'left out of the metadata: {", ".join(left)}')
    print_written(done, len(done.weights.state_dict))
    if done.url is None:
        return
    for what in done.unknown:
        show(f'left out of the card: {what}')
    seen = 'private' if done.is_private else 'public'
    show(f'pushed {WEIGHTS} and {CARD} to {done.url} ({seen})')
    show(f'use it with: wrn predict IMAGE --model hf://{args.push_to_hub}')
