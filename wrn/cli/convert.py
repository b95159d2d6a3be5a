"""``wrn convert``: convert weights from one checkpoint format to another."""

import argparse

from wrn.checkpoints.formats import TARGETS
from wrn.cli.arguments import pick
from wrn.cli.written_weights import print_left_out, print_written
from wrn.jobs.convert import convert
from wrn.jobs.loading import WeightsOptions
from wrn_base.errors import count
from wrn_base.terminal import show


def run(args: argparse.Namespace) -> None:
    """Convert the weights, and print what was found, left out, checked and written."""
    names = ('folder', 'config', 'source', 'license', 'overwrite')
    own = {name: getattr(args, name) for name in names}
    done = convert(args.checkpoint, args.name, args.to, **own, **pick(args, WeightsOptions))
    state_dict = done.weights.state_dict
    floats = {str(v.dtype) for v in state_dict.values() if v.is_floating_point()}
    dtypes = ', '.join(sorted(floats)).replace('torch.', '')
    show(f'read {done.read}: {done.format.title} format, {done.architecture}, {dtypes}')
    if done.entry:
        show(f'recognized as the weights of {done.entry.name}')
    print_left_out(done.weights)
    if done.weights.meta.get('normalization') and done.meta is None:
        show('left out: mean and std of the input (the format has no place for them)')
    for ending in TARGETS[args.to].format.drops:
        if any(key.endswith(ending) for key in state_dict):
            show(f'left out: {ending} (the format has no place for it)')
    if normalization := done.weights.meta.get('normalization'):
        values = [', '.join(f'{v:g}' for v in normalization[key]) for key in ('mean', 'std')]
        show(f'normalization: mean {values[0]}, std {values[1]}, for pixels from 0 to 255')
    for what in done.weights.assumptions:
        show(f'assumed: {what}')
    show(f'checked: {count(len(state_dict), "tensor")}, no missing or unexpected keys')
    if done.loss:
        show(f'lossy: {done.loss}')
    else:
        show('checked: converting back gives the same weights, bit for bit')
    print_written(done, done.tensors)
