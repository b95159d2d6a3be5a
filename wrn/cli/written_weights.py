"""Print the file of weights that a command has written, and what it left out."""

from wrn.checkpoints import Weights
from wrn.checkpoints.publish import Published
from wrn.utils.files import hash_file
from wrn_base.errors import count
from wrn_base.terminal import show

_SHOWN = 10  # keys that were left out


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
