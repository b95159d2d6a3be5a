"""``wrn export``: export a model to a file for another runtime."""

import argparse

from wrn.cli.arguments import check_out
from wrn.cli.backend_options import check_calibration, load_model
from wrn.deploy.export import FORMATS, export
from wrn.deploy.export.formats.export_format import ReadableFormat
from wrn.download import stem_without_hash
from wrn_base.terminal import show


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
