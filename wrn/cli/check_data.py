"""``wrn check-data``: find what is wrong with the images of a data folder."""

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Iterator

from wrn.cli.arguments import check_at_least
from wrn.cli.progress import ImageProgress
from wrn.data.check_folder import KINDS, Report, check_folder
from wrn.data.class_folders import SINGLE, count_left_out
from wrn.jobs.outputs import check_out
from wrn_base.errors import WrnError, count, some
from wrn_base.tables import print_table
from wrn_base.terminal import say, show, show_json


def run(args: argparse.Namespace) -> None:
    """Check the folder, and print its splits and problems; fail if there are any."""
    check_at_least(args, workers=1)
    if args.out:
        check_out(args.out, 'the report is', ('.json', '.csv'), args.overwrite)
    report = check_folder(args.folder, args.ann_file, args.workers, _track, args.near)
    if args.out:
        report.write(args.out, args.overwrite)
    if args.json:
        show_json(report.to_json())
    for split in [] if args.json else report.splits:
        classes = '' if split.classes is None else f' in {count(len(split.classes), "class")}'
        show(f'{split.name}: {count(len(split.files), "image")}{classes}')
    if left_out := count_left_out(report.splits):
        say(f'{args.folder}: {left_out}')
    if single := [note.path for note in report.notes if note.kind == SINGLE]:
        have = 'has' if len(single) == 1 else 'have'
        say(
            f'{args.folder}: {count(len(single), "class folder")} {have} 1 image ({some(single)}), '
            'too few to train with; add images'
        )
    if report.near:
        say(f'{args.folder}: {report.near}')
    if report.problems:
        if not args.json:
            print_table(_summarize(report), ('kind', 'number', 'what', 'first'), right=('number',))
        more = f'see {args.out}' if args.out else 'write the list with --out FILE.csv'
        more = 'they are in the output' if args.json else more
        number = count(len(report.problems), 'problem')
        raise WrnError(f'{args.folder}: {number} found; {more}')
    if not args.json:
        show('no problems found')


def _track(steps: Iterable[int], total: int) -> Iterator[int]:
    with ImageProgress() as progress:
        task = progress.add_task('Checking', total=total)
        for step in steps:
            progress.advance(task, step)
            yield step


def _summarize(report: Report) -> Iterator[tuple[str, str, str, str]]:
    """Yield the kinds of problems: name, number, meaning, and the first file."""
    numbers = Counter(problem.kind for problem in report.problems)
    firsts = {problem.kind: problem.path for problem in reversed(report.problems)}
    for kind, what in KINDS.items():
        if kind in numbers:
            first = os.fsencode(firsts[kind]).decode(errors='replace')
            first = first if first.isprintable() else repr(first)
            yield kind, str(numbers[kind]), what, first
