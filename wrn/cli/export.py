"""``wrn export``: export a model to a file for another runtime."""

import argparse
import shlex

from wrn.cli.arguments import pick
from wrn.deploy.export import FORMATS
from wrn.deploy.export.formats.export_format import ReadableFormat
from wrn.jobs.export import export
from wrn.jobs.loading import WeightsOptions
from wrn_base.terminal import show


def run(args: argparse.Namespace) -> None:
    """Export the model, and print what was written and how to use it."""
    names = ('preprocess', 'softmax', 'precision', 'calibration', 'overwrite')
    own = {name: getattr(args, name) for name in names}
    weights = pick(args, WeightsOptions)
    done = export(args.model, args.format, args.out, args.checkpoint, **own, **weights)
    size = sum(path.stat().st_size for path in done.paths) / 1e6
    show(f'wrote {" and ".join(str(path) for path in reversed(done.paths))}: {size:.2f} MB')
    show(f'the reloaded file {done.difference}')
    metadata = done.metadata
    shape = ', '.join(map(str, (*metadata.size, 3) if metadata.preprocess else (3, *metadata.size)))
    output = 'probabilities' if metadata.softmax else 'logits'
    show(f'input: {metadata.dtype}, (N, {shape}), {metadata.channel_order}; output: {output}')
    here = isinstance(FORMATS[args.format], ReadableFormat)
    out = shlex.quote(str(done.paths[-1]))
    use = f'wrn predict IMAGE --model {out}; without wrn, ' if here else "torch's loader: "
    show(f'use it with {use}see docs/export.md')
