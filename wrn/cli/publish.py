"""``wrn publish``: make a file of weights for others out of a training checkpoint."""

import argparse
from pathlib import Path

from wrn.weights import get_state_dict, read_checkpoint, write_weights

HELP = 'strip a training checkpoint to its weights and class names, as .safetensors'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('checkpoint', help='a checkpoint that `wrn train` wrote')
    parser.add_argument('name', help='name of the weights; their hash is put behind it')
    parser.add_argument('--folder', default='.', help='where to write (default: here)')


def run(args: argparse.Namespace) -> None:
    """Write the file, and say what was kept and what was left out."""
    checkpoint = read_checkpoint(args.checkpoint)
    state_dict = get_state_dict(checkpoint, args.checkpoint)
    meta = {}
    if dataset_meta := (checkpoint.get('meta') or {}).get('dataset_meta'):
        meta['dataset_meta'] = dataset_meta
    path = write_weights(args.folder, args.name, state_dict, meta)
    dropped = ', '.join(sorted(checkpoint.keys() - {'state_dict', 'meta'} - state_dict.keys()))
    print(f'wrote {path}: {len(state_dict)} tensors, {Path(path).stat().st_size / 1e6:.2f} MB')
    if dropped:
        print(f'left out: {dropped}')
