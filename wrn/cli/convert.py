"""``wrn convert``: convert weights from one checkpoint format to another."""

import argparse

from wrn.checkpoints.convert import convert
from wrn.checkpoints.formats import TARGETS
from wrn.cli.publish import add_description_arguments, print_left_out, print_written
from wrn.zoo.resolve import resolve

HELP = 'convert weights between the formats in which Wide-ResNets are published'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'checkpoint', help='a path, URL or hf://USER/REPO of weights, or name of a model'
    )
    parser.add_argument(
        'name',
        nargs='?',
        help='name of the file to write, in .pth or .safetensors; its hash is put behind it '
        "(default: the model's or the file's)",
    )
    parser.add_argument(
        '--to', choices=TARGETS, default='openmmlab', help='format to write (default: openmmlab)'
    )
    parser.add_argument(
        '--config',
        help='config, or name of a model, that says how pictures are prepared (default: that of '
        "the published model, or the one in the file, else torchvision's first, or the paper's)",
    )
    add_description_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Convert the weights, and print what was found, left out, checked and written."""
    config = resolve(args.config).get_config() if args.config else None
    file = resolve(args.checkpoint, key=args.key).read_weights(key=args.key)
    done = convert(file, args.name, args.to, args.folder, config, args.source, args.license)
    state_dict = done.weights.state_dict
    floats = {str(v.dtype) for v in state_dict.values() if v.is_floating_point()}
    dtypes = ', '.join(sorted(floats)).replace('torch.', '')
    print(f'read {args.checkpoint}: {done.format.title} format, {done.architecture}, {dtypes}')
    if done.entry:
        print(f'these are the weights of {done.entry.name}')
    print_left_out(done.weights)
    if done.weights.meta.get('normalization') and done.meta is None:
        print("left out: the input's mean and std, for which this format has no place")
    for ending in TARGETS[args.to].format.drops:
        if any(key.endswith(ending) for key in state_dict):
            print(f'left out: {ending}, for which this format has no place')
    for what in done.assumed:
        print(f'not in the file, and so assumed: {what}; --config FILE says otherwise')
    print(f'checked: {len(state_dict)} tensors, no key left over on either side')
    if done.lossless:
        print('checked: converted back, they are the same bit for bit')
    else:
        print('batch norms are folded: the outputs are equal up to rounding; no way leads back')
    print_written(done, done.tensors)
