"""``wrn export``: export a model to a file for another runtime."""

import argparse

from wrn.cli.arguments import CHECKPOINT, WEIGHTS_ARGUMENTS, argument, check_out, choice, flag
from wrn.cli.backend_options import check_calibration, load_model
from wrn.deploy.export import FORMATS, export
from wrn.deploy.export.formats.export_format import ReadableFormat
from wrn.download import stem_without_hash
from wrn_base.terminal import show

HELP = 'export a model to a file that other runtimes load without this package'
_SUFFIXES = ', '.join(kind.suffix for kind in FORMATS.values())
_PRECISIONS = sorted({name for kind in FORMATS.values() for name in kind.precisions})
ARGUMENTS = {
    'model': argument('MODEL', 'model name, or path of a config or weights'),
    '--format': choice(FORMATS, 'format to write', required=True),
    '--checkpoint': CHECKPOINT,
    **WEIGHTS_ARGUMENTS,
    '--out': argument('FILE', f'file to write (default: the model name and {_SUFFIXES})'),
    '--preprocess': flag(
        'include the normalization; the input is then uint8 RGB images (N, H, W, 3) of the right '
        'size (default: normalized images (N, 3, H, W))'
    ),
    '--softmax': flag('output probabilities (default: logits)'),
    '--precision': choice(
        _PRECISIONS, 'precision of the weights; float16 and int8 are for openvino', 'float32'
    ),
    '--calibration': argument('FOLDER', 'a few hundred images to calibrate int8 with'),
}


def run(args: argparse.Namespace) -> None:
    """Export the model, and print what was written and how to use it."""
    check_calibration(args)
    suffix = FORMATS[args.format].suffix
    if args.out:
        check_out(args.out, f'{args.format} is', (suffix,))
    network = load_model(args, 'cpu')
    entry = getattr(network, '_metainfo', None)
    name = entry.name if entry else stem_without_hash(args.model)
    out = args.out or f'{name}{suffix}'
    check_out(out)
    options = (args.preprocess, args.softmax, args.precision, args.calibration)
    done = export(network, name, args.format, out, *options)
    size = sum(path.stat().st_size for path in done.paths) / 1e6
    show(f'wrote {" and ".join(str(path) for path in reversed(done.paths))}: {size:.2f} MB')
    show(f'the reloaded file {done.difference}')
    metadata = done.metadata
    shape = ', '.join(map(str, (*metadata.size, 3) if metadata.preprocess else (3, *metadata.size)))
    output = 'probabilities' if metadata.softmax else 'logits'
    show(f'input: {metadata.dtype}, (N, {shape}), {metadata.channel_order}; output: {output}')
    here = isinstance(FORMATS[args.format], ReadableFormat)
    use = f'wrn predict IMAGE --model {out}; without wrn, ' if here else "torch's loader: "
    show(f'use it with {use}see docs/export.md')
