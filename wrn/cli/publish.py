"""``wrn publish``: reduce a training checkpoint to what others need."""

import argparse

from wrn.checkpoints import ReadOptions, Weights
from wrn.checkpoints.publish import Published, publish
from wrn.checkpoints.tensor_hash import KEY
from wrn.utils.files import hash_file
from wrn_base.errors import count
from wrn_base.terminal import say, show

_SHOWN = 10  # keys that were left out


def run(args: argparse.Namespace) -> None:
    """Write the file, and print what it holds and what was left out."""
    options = ReadOptions(args.key, args.prefix)
    described = (args.source, args.license)
    done = publish(args.checkpoint, args.name, args.folder, options, *described, args.overwrite)
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


def print_left_out(weights: Weights) -> None:
    """Print which parts of a checkpoint were left out."""
    if weights.key:
        show(f'key of the weights: {weights.key}')
    if weights.prefix:
        show(f'prefix of the keys: {weights.prefix}')
    if weights.pruned:
        show(f'applied the masks of {count(weights.pruned, "pruned weight")}')
    if weights.left_out:
        more = len(weights.left_out) - _SHOWN
        listed = ', '.join(weights.left_out[:_SHOWN])
        show(f'left out: {listed}' + (f' and {more} more' if more > 0 else ''))


def print_written(done: Published, tensors: int) -> None:
    """Print the file that was written, and its metadata."""
    size = done.path.stat().st_size / 1e6
    keys = 'none, since the format has no place for it'
    if done.meta is not None:
        keys = ', '.join(done.meta) or 'none, since nothing is known'
    show(f'wrote {done.path}: {count(tensors, "tensor")}, {size:.2f} MB')
    show(f'SHA-256 of the file: {hash_file(done.path)}')
    show(f'metadata in the file: {keys}')
    if done.meta and 'license' not in done.meta:
        show('the license is unknown; set it with --license')
