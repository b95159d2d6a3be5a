"""``wrn publish``: reduce a training checkpoint to what others need."""

import argparse

from wrn.checkpoints import Weights
from wrn.checkpoints.publish import Published, publish

HELP = 'strip a training checkpoint to its weights, class names and config'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('checkpoint', help='a checkpoint that `wrn train` wrote')
    parser.add_argument(
        'name',
        help='name of the file, in .safetensors (default) or .pth; its hash is put behind it',
    )
    add_description_arguments(parser)


def add_description_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that publish and convert share."""
    parser.add_argument('--folder', default='.', help='where to write (default: here)')
    parser.add_argument('--key', help='weights to take of several, such as model_ema')
    parser.add_argument('--source', help='where the weights are from, to be written into the file')
    parser.add_argument('--license', help='their licence, such as Apache-2.0, likewise')


def run(args: argparse.Namespace) -> None:
    """Write the file, and print what it holds and what was left out."""
    done = publish(args.checkpoint, args.name, args.folder, args.key, args.source, args.license)
    print_left_out(done.weights)
    left = sorted(done.weights.meta.keys() - (done.meta or {}).keys())
    if left:
        print('left out of what the checkpoint says:', ', '.join(left))
    print_written(done, len(done.weights.state_dict))


def print_left_out(weights: Weights) -> None:
    """Print which parts of a checkpoint were left out."""
    if weights.key:
        print(f'took: {weights.key}')
    if weights.left_out:
        print('left out:', ', '.join(weights.left_out))


def print_written(done: Published, tensors: int) -> None:
    """Print the file that was written, and its metadata."""
    size = done.path.stat().st_size / 1e6
    says = 'nothing, as the format has no room for it'
    if done.meta is not None:
        says = ', '.join(done.meta) or 'nothing, as nothing is known'
    print(f'wrote {done.path}: {tensors} tensors, {size:.2f} MB')
    print(f'the file says of them: {says}')
    if done.meta and 'license' not in done.meta:
        print('no licence is known; --license says it')
