"""Try thousands of damaged files of every kind on this package.

    python tests/fuzz/run.py --number 5000
    python tests/fuzz/run.py --target png --seed 3 --first 17 --number 1    # one input again

Prints a line for each target, and one for each kind of fault with the first input that has it. The
exit status is 1 if there are faults. Inputs depend on the target, the seed and their number only.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

os.environ['OMP_NUM_THREADS'] = os.environ['OPENBLAS_NUM_THREADS'] = '1'  # a fork has no threads
os.environ['CUDA_VISIBLE_DEVICES'] = ''
os.environ['WRN_OFFLINE'] = '1'

import cv2
import exported
import images
import text_files
import torch
import weights
from harness import FINE, count_kinds, fuzz, silent_in_new_folder

import wrn.training  # noqa: F401 - as for _warm_up
from wrn_base.cli import main as run_command

TARGETS = {
    'safetensors': weights.safetensors,
    'pth': weights.pth,
    'metadata': weights.metadata,
    'config-text': weights.config_text,
    'config': text_files.config,
    'partial-predict': partial(text_files.partial, 'predict', 'x.csv'),
    'partial-features': partial(text_files.partial, 'features', 'x.safetensors'),
    'partial-download': text_files.partial_download,
    'onnx': exported.onnx_file,
    'openvino': exported.openvino_file,
    'tar': images.archive,
    **{name.lower(): partial(images.image, name) for name in images.FORMATS},
}


def _warm_up() -> None:
    """Run each command once, since each child would import what it needs again."""
    file, image, model = str(weights.embedded()), weights.IMAGE, ['--model', weights.DIGITS]
    with silent_in_new_folder():
        for arguments in (
            ['info', file],
            ['predict', image, *model],
            ['features', image, *model, '--out', 'x.npy', '--stages', 'layer3'],
            ['convert', file, 'x.pth'],
            ['convert', file, 'x.safetensors', '--to', 'authors-cifar'],
            ['publish', file, 'y.safetensors'],
        ):
            run_command(arguments)


def main() -> None:
    """Try all inputs and print a report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--number', type=int, default=200, help='inputs of each target')
    parser.add_argument('--target', nargs='+', choices=TARGETS, default=[*TARGETS])
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--first', type=int, default=0, help='number of the first input')
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--keep', type=Path, default=Path(tempfile.gettempdir(), 'wrn-fuzz-faults'))
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    warnings.simplefilter('ignore')  # of libraries, as the command line shows none
    _warm_up()
    gc.freeze()
    faults = tried = 0
    for name in args.target:
        start = time.monotonic()
        target = TARGETS[name]()
        indices = range(args.first, args.first + args.number)
        outcomes = fuzz(name, target, indices, args.seed, args.keep, args.jobs)
        kinds = ', '.join(f'{n} {kind}' for kind, n in count_kinds(outcomes).most_common())
        slowest = max(outcome.seconds for outcome in outcomes)
        print(
            f'{name}: {kinds}; {time.monotonic() - start:.0f} s, slowest {slowest:.1f} s',
            flush=True,
        )
        seen: dict[tuple[str, str], list[int]] = {}
        for outcome in outcomes:
            if outcome.kind not in FINE:
                seen.setdefault((outcome.kind, outcome.text.partition(': ')[0]), []).append(
                    outcome.index
                )
                faults += 1
        for (kind, _), found in seen.items():
            text = next(outcome.text for outcome in outcomes if outcome.index == found[0])
            print(f'  {len(found)} x {kind}: {text[:300]!r}')
            print(
                f'    again: python tests/fuzz/run.py --target {name} --seed {args.seed} --first {found[0]} --number 1'
            )
        tried += len(outcomes)
    print(
        f'{tried} inputs, {faults} faults' + (f'; the inputs are in {args.keep}' if faults else '')
    )
    sys.exit(1 if faults else 0)


if __name__ == '__main__':
    main()
