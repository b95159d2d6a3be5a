"""``wrn export``: write a network for a runtime."""

import argparse

from wrn.cli.load_model import load_model
from wrn.cli.outputs import check_out
from wrn.deploy.export import FORMATS, export
from wrn.download import stem_without_hash
from wrn.utils.errors import WrnError

HELP = 'write a model as a file for a runtime that needs nothing of ours'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('model', help='name of a model, or path of a config or a file of weights')
    parser.add_argument('--format', choices=FORMATS, required=True, help='what to write')
    parser.add_argument('--checkpoint', help="weights: a path or URL (default: the model's own)")
    suffixes = ', '.join(kind.suffix for kind in FORMATS.values())
    parser.add_argument('--out', metavar='FILE', help=f"(default: the model's name and {suffixes})")
    parser.add_argument(
        '--preprocess',
        action='store_true',
        help='put the pre-processing inside: the input is then uint8 pictures (N, H, W, 3), red, '
        'green, blue, of the right size (default: normalised ones, (N, 3, H, W))',
    )
    parser.add_argument(
        '--softmax', action='store_true', help='give probabilities (default: scores)'
    )
    parser.add_argument(
        '--precision',
        choices=sorted({name for kind in FORMATS.values() for name in kind.precisions}),
        default='float32',
        help='of the weights; float16 and int8 are for openvino (default: %(default)s)',
    )
    parser.add_argument(
        '--calibration', metavar='FOLDER', help='pictures to calibrate int8 with, some hundred'
    )


def run(args: argparse.Namespace) -> None:
    """Export the model, and say what was written and how to use it."""
    if args.calibration and args.precision != 'int8':
        raise WrnError('--calibration: is for --precision int8')
    suffix = FORMATS[args.format].suffix
    if args.out:
        check_out(args.out, f'{args.format} is', (suffix,))
    network = load_model(args.model, args.checkpoint, 'cpu')
    entry = getattr(network, '_metainfo', None)
    name = entry.name if entry else stem_without_hash(args.model)
    out = args.out or f'{name}{suffix}'
    check_out(out)
    options = (args.preprocess, args.softmax, args.precision, args.calibration)
    done = export(network, name, args.format, out, *options)
    size = sum(path.stat().st_size for path in done.paths) / 1e6
    print(f'wrote {" and ".join(str(path) for path in reversed(done.paths))}: {size:.2f} MB')
    print(f'loaded again, it {done.difference}')
    say = done.metadata
    shape = ', '.join(map(str, (*say.size, 3) if say.preprocess else (3, *say.size)))
    output = 'probabilities' if say.softmax else 'scores'
    print(f'input: {say.dtype}, (N, {shape}), {say.channel_order}; output: {output}')
    print(f'use it: wrn predict PICTURE --model {out}, or without wrn: docs/export.md')
