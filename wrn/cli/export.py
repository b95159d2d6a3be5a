"""``wrn export``: export a model to a file for another runtime."""

import argparse

from wrn.cli.arguments import add_flags, check_out
from wrn.cli.backend_options import check_calibration, load_model
from wrn.deploy.export import FORMATS, export
from wrn.download import stem_without_hash

HELP = 'write a model as a file for a runtime that needs nothing of ours'
_FLAGS = {
    'preprocess': 'put the pre-processing inside: the input is then uint8 pictures (N, H, W, 3), '
    'red, green, blue, of the right size (default: normalised ones, (N, 3, H, W))',
    'softmax': 'give probabilities (default: scores)',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('model', help='name of a model, or path of a config or a file of weights')
    parser.add_argument('--format', choices=FORMATS, required=True, help='what to write')
    parser.add_argument('--checkpoint', help="weights: a path or URL (default: the model's own)")
    suffixes = ', '.join(kind.suffix for kind in FORMATS.values())
    parser.add_argument('--out', metavar='FILE', help=f"(default: the model's name and {suffixes})")
    add_flags(parser, _FLAGS)
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
    """Export the model, and print what was written and how to use it."""
    check_calibration(args)
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
    metadata = done.metadata
    shape = ', '.join(map(str, (*metadata.size, 3) if metadata.preprocess else (3, *metadata.size)))
    output = 'probabilities' if metadata.softmax else 'scores'
    print(f'input: {metadata.dtype}, (N, {shape}), {metadata.channel_order}; output: {output}')
    print(f'use it: wrn predict PICTURE --model {out}, or without wrn: docs/export.md')
