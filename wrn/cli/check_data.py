"""``wrn check-data``: find what is wrong with the images of a data folder."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator

from wrn.cli.arguments import check_out
from wrn.cli.progress import ImageProgress
from wrn.cli.tables import print_table
from wrn.data.check_folder import KINDS, Report, check_folder
from wrn.data.class_folders import count_left_out
from wrn.utils.errors import WrnError

HELP = 'find damaged, misplaced and duplicate pictures in a data folder'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'folder', help='a folder of class folders, or one with such train, val and test folders'
    )
    parser.add_argument(
        '--ann-file', metavar='FILE', help='lists the pictures: paths below the folder, and labels'
    )
    parser.add_argument('--out', metavar='FILE', help='write what is wrong here (.json, .csv)')
    parser.add_argument('--workers', type=int, help='threads (default: one for each core)')


def run(args: argparse.Namespace) -> None:
    """Check the folder, and print its splits and problems; fail if there are any."""
    if args.workers is not None and args.workers < 1:
        raise WrnError(f'--workers {args.workers}: must be at least 1')
    if args.out:
        check_out(args.out, 'the report is', ('.json', '.csv'))
    report = check_folder(args.folder, args.ann_file, args.workers, _track)
    if args.out:
        report.write(args.out)
    for split in report.splits:
        classes = '' if split.classes is None else f' in {len(split.classes)} classes'
        print(f'{split.name}: {len(split.files)} pictures{classes}')
    if left_out := count_left_out(report.splits):
        print(f'wrn: {args.folder}: {left_out}', file=sys.stderr)
    if report.problems:
        print_table(_summarise(report), ('kind', 'number', 'what', 'first'), right=('number',))
        more = f'see {args.out}' if args.out else 'write the list with --out FILE.csv'
        number = len(report.problems)
        raise WrnError(f'{args.folder}: {number} problem{"s" * (number > 1)} found; {more}')
    print('nothing is wrong')


def _track(steps: Iterable[int], total: int) -> Iterator[int]:
    with ImageProgress() as progress:
        task = progress.add_task('Checking', total=total)
        for step in steps:
            progress.advance(task, step)
            yield step


def _summarise(report: Report) -> Iterator[tuple[str, str, str, str]]:
    """Yield the kinds of problems: name, number, meaning, and the first file."""
    numbers = Counter(problem.kind for problem in report.problems)
    firsts = {problem.kind: problem.path for problem in reversed(report.problems)}
    for kind, what in KINDS.items():
        if kind in numbers:
            first = os.fsencode(firsts[kind]).decode(errors='replace')
            yield kind, str(numbers[kind]), what, first
