"""``wrn convert``: convert weights from one checkpoint format to another."""

import argparse

from wrn.checkpoints.convert import convert
from wrn.checkpoints.formats import TARGETS
from wrn.cli.arguments import WEIGHTS_ARGUMENTS, argument, choice, get_read_options
from wrn.cli.publish import DESCRIPTION_ARGUMENTS, print_left_out, print_written
from wrn.zoo.resolve import resolve
from wrn_base.errors import count
from wrn_base.terminal import show

HELP = 'convert weights between the checkpoint formats of Wide-ResNets'
ARGUMENTS = {
    'checkpoint': argument('MODEL', 'model name, or path, URL or hf://USER/REPO of weights'),
    'name': argument(
        'NAME',
        'name of the file to write, .pth or .safetensors; the hash is appended (default: the name '
        'of the model, or of the file that is read)',
        nargs='?',
    ),
    '--to': choice(TARGETS, 'format to write', 'openmmlab'),
    '--config': argument(
        'CONFIG',
        'config path or model name, to record its preprocessing (default: that of the published '
        "model or of the file, else that of torchvision's first weights or of the paper)",
    ),
    **WEIGHTS_ARGUMENTS,
    **DESCRIPTION_ARGUMENTS,
}


def run(args: argparse.Namespace) -> None:
    """Convert the weights, and print what was found, left out, checked and written."""
    config = resolve(args.config).get_config() if args.config else None
    options = get_read_options(args)
    file = resolve(args.checkpoint, options=options).read_weights(options=options)
    done = convert(file, args.name, args.to, args.folder, config, args.source, args.license)
    state_dict = done.weights.state_dict
    floats = {str(v.dtype) for v in state_dict.values() if v.is_floating_point()}
    dtypes = ', '.join(sorted(floats)).replace('torch.', '')
    show(f'read {file.name}: {done.format.title} format, {done.architecture}, {dtypes}')
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
