"""``wrn check-data``: whether the pictures of a data folder are whole and in the right places."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from wrn.cli.outputs import check_out
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
    """Check the folder and print what was found; fails if anything is wrong."""
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
        _print_problems(report)
        more = f'see {args.out}' if args.out else 'write the list with --out FILE.csv'
        number = len(report.problems)
        raise WrnError(f'{args.folder}: {number} problem{"s" * (number > 1)} found; {more}')
    print('nothing is wrong')


def _track(steps: Iterable[int], total: int) -> Iterator[int]:
    columns = (TextColumn('Checking'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task('', total=total)
        for step in steps:
            progress.advance(task, step)
            yield step


def _print_problems(report: Report) -> None:
    table = Table(box=None, header_style='bold')
    for column in ('kind', 'number', 'what', 'first'):
        table.add_column(column, no_wrap=True, justify='right' if column == 'number' else 'left')
    numbers = Counter(problem.kind for problem in report.problems)
    firsts = {problem.kind: problem.path for problem in reversed(report.problems)}
    for kind, what in KINDS.items():
        if kind in numbers:
            first = os.fsencode(firsts[kind]).decode(errors='replace')
            table.add_row(kind, str(numbers[kind]), what, escape(first))
    print_table(table)
