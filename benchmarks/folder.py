"""A folder of images by ``wrn predict`` and by mmpretrain's ``ImageClassificationInferencer``.

They alternate as whole processes, from start to the file of results::

    python benchmarks/folder.py wide-resnet50                  # 2,000 JPEGs of 500x375
    python benchmarks/folder.py wide-resnet50 --images 500 --runs 1 --workers 2
    python benchmarks/folder.py digits           # the digits model on 1,797 PNGs of 8x8
    python benchmarks/folder.py digits-jpegs     # the digits model on the JPEGs
    python benchmarks/folder.py memory           # for 1,000 and 20,000 PNGs (links to a few)

Unknown options are passed to ``wrn predict``, after ``--backend auto``. ``int8`` is calibrated in
the same process, with 300 of the images. ``wide-resnet50`` has random weights, the same for all.
mmpretrain has no digits model and uses that of this package.

``whole`` is the number of images divided by the seconds of the process. ``steady`` excludes start
and end: a second process predicts an eighth of the images, or, since the digits model is fast,
eight times as many (links), and the difference in images is divided by the difference in seconds.
Ratios are medians over the rounds, with the least and the most. ``memory`` is the peak memory of
the process, from ``/proc`` (Linux only).
"""

import argparse
import json
import statistics
import tempfile
from functools import partial
from pathlib import Path

import torch
from images import write_digits, write_images
from machine import describe_machine, versions
from predict_jobs import DIGITS, Job, JobError, Options, run
from rich.console import Console
from rich.table import Table
from scaling import Values, print_table, take_turns
from tasks import Task, write_files

import wrn

BATCH_SIZE = 32
SHARE = 8  # the other folder has an eighth of the images, or eight times as many


def link(images: list[Path], folder: Path, number: int) -> Path:
    """Make a folder of links to the images, each in turn."""
    folder.mkdir()
    for i in range(number):
        image = images[i % len(images)]
        (folder / f'{i:06}{image.suffix}').hardlink_to(image)
    return folder


def write_pngs(folder: Path) -> list[Path]:
    write_digits(folder / 'digits')
    return sorted((folder / 'digits').rglob('*.png'))


def make_task(model: str, folder: Path) -> Task:
    """Write the weights: random ones, or the digits model's in a file that mmpretrain reads."""
    task = Task(model, folder, BATCH_SIZE)
    if model == 'digits':
        torch.save(wrn.get_model(DIGITS, pretrained=True).state_dict(), task.openmmlab)
    else:
        write_files(task)
    return task


def measure(task: Task, folder: Path, other: Path, options: Options | None) -> Values:
    """Predict a folder and one of another size; by mmpretrain if there are no options."""
    first, second = (run(Job(task, inputs), options) for inputs in (folder, other))
    number = len(list(folder.iterdir()))
    more = len(list(other.iterdir())) - number
    return {
        'whole': number / first['seconds'],
        'steady': more / (second['seconds'] - first['seconds']),
        'memory': first['peak'],
    }


def compare(
    title: str, task: Task, images: list[Path], runs: int, options: Options
) -> dict[str, list[Values]]:
    """Let all take turns on the images, and print their throughput."""
    with tempfile.TemporaryDirectory(dir=task.folder) as name:
        number = len(images)
        folder = link(images, Path(name, 'folder'), number)
        number = number * SHARE if task.model == 'digits' else max(1, number // SHARE)
        other = link(images, Path(name, 'other'), number)
        int8: Options = (*options, '--precision', 'int8', '--calibration', folder)
        cases = {'ours, float32': options, 'ours, int8': int8, 'mmpretrain': None}
        turns = {}
        for case, own_options in cases.items():
            try:
                run(Job(task, min(folder.iterdir())), own_options)  # warms the disk cache
            except JobError as error:  # such as int8 that differs too much from float32
                print(f'left out: {case} on {title} ({str(error).splitlines()[-1]})')
            else:
                turns[case] = partial(measure, task, folder, other, own_options)
        rows = take_turns(runs, turns, title)
    print_rates(f'{title}, medians of {runs}', rows)
    return rows


def print_rates(title: str, rows: dict[str, list[Values]]) -> None:
    table = Table(title=title, box=None)
    for column in ('', 'whole', 'ratio', 'least to most', 'steady', 'ratio', 'least to most'):
        table.add_column(column, justify='right' if column else 'left', no_wrap=True)
    table.add_column('memory', justify='right', no_wrap=True)
    for case, values in rows.items():
        cells = []
        for key in ('whole', 'steady'):
            theirs = rows['mmpretrain']
            ratios = sorted(a[key] / b[key] for a, b in zip(values, theirs, strict=True))
            cells += [
                f'{statistics.median(value[key] for value in values):.1f} /s',
                f'{statistics.median(ratios):.2f}',
                f'{ratios[0]:.2f} to {ratios[-1]:.2f}',
            ]
        memory = statistics.median(value['memory'] for value in values)
        table.add_row(case, *cells, f'{memory:.0f} MiB')
    Console(width=120).print(table)


def compare_memory(
    task: Task, images: list[Path], numbers: list[int], options: Options
) -> dict[str, list[Values]]:
    """Print the peak memory for folders of several sizes."""
    turns = {}
    for number in numbers:
        folder = link(images[:10], task.folder / f'{number}', number)
        for case, own_options in (('ours', options), ('mmpretrain', None)):
            turns[f'{number:,} files, {case}'] = partial(run, Job(task, folder), own_options)
    rows = take_turns(1, turns, 'Memory')
    print_table('seconds, and peak memory in MiB', rows, dict(seconds=1, peak=0))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('what', choices=['wide-resnet50', 'digits', 'digits-jpegs', 'memory'])
    parser.add_argument('--images', type=int, default=2000, help='in the folder')
    parser.add_argument('--files', type=int, nargs='+', default=[1_000, 20_000], help='for memory')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all results here')
    args, rest = parser.parse_known_args()
    options: Options = ('--backend', 'auto', *rest)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        task = make_task('wide-resnet50' if args.what == 'wide-resnet50' else 'digits', folder)
        if args.what in ('digits', 'memory'):
            images = write_pngs(folder)[: args.images]
        else:
            (folder / 'jpegs').mkdir()
            images = write_images(folder / 'jpegs', 1, args.images)
        if args.what == 'memory':
            rows = compare_memory(task, images, args.files, options)
        else:
            title = f'{args.what}, {len(images)} images'
            rows = compare(title, task, images, args.runs, options)
    if args.json:
        facts = dict(what=args.what, machine=describe_machine(), versions=versions())
        args.json.write_text(json.dumps(dict(**facts, results=rows), indent=2) + '\n')


if __name__ == '__main__':
    main()
