"""``wrn publish``: make a file of weights for others out of a training checkpoint."""

import argparse

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
    meta = checkpoint.get('meta') or {}
    kept = {key: meta[key] for key in ('dataset_meta',) if key in meta}
    path = write_weights(args.folder, args.name, state_dict, kept)
    print(f'wrote {path}: {len(state_dict)} tensors, {path.stat().st_size / 1e6:.2f} MB')
    if 'state_dict' in checkpoint:
        left = sorted({*checkpoint, *(f'meta.{key}' for key in meta.keys() - kept.keys())})
        print('left out:', ', '.join(key for key in left if key not in ('state_dict', 'meta')))
