"""``wrn verify``: compare published weights with their published figures."""

import argparse
import contextlib
import sys
from typing import Any

from mmengine.dist import is_main_process

from wrn.jobs.verify import Verified, verify
from wrn_base.errors import WrnError
from wrn_base.tables import print_table
from wrn_base.terminal import show, show_json

_OPTIONS = ('data', 'tolerance', 'batch_size', 'device', 'workers', 'work_dir', 'progress')
_LONG = 64  # digits of a whole SHA-256


def run(args: argparse.Namespace) -> None:
    """Verify the model, and print what was found and what was expected.

    Raises:
        WrnError: If a figure differs.
    """
    # mmengine logs to standard output.
    with contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext():
        done = verify(args.model, **{name: getattr(args, name) for name in _OPTIONS})
    args.progress.close()
    if not is_main_process():
        return
    if args.json:
        show_json(_to_json(done))
    else:
        _print(done)
    differing = [figure for figure in done.figures if not figure.agrees]
    if differing:
        found = ', '.join(
            f'{figure.name} is {figure.found}, not {figure.expected:.2f} %' for figure in differing
        )
        raise WrnError(
            f'{done.model}: {found}; check that the images are the test set of {done.dataset}, and '
            'the installation with `wrn doctor`'
        )


def _print(done: Verified) -> None:
    print_table(
        [
            ('model', done.model),
            ('weights', str(done.path)),
            ('SHA-256', [done.sha256, _describe_hash(done.hash_digits)]),
            ('data', f'{done.dataset}, {done.figures[0].found.total:,} images'),
        ]
    )
    show('')
    rows = [
        (figure.name, f'{figure.expected:.2f} %', str(figure.found), _name(figure.agrees))
        for figure in done.figures
    ]
    print_table(rows, ('figure', 'published', 'found', ''))
    show('')
    if not done.complete:
        show(
            'compared by the 95 % interval, since these are not as many images as the published '
            'figures are of'
        )
    elif done.agrees:
        show(
            f'verified: within {done.tolerance:g} percentage points of the published figures, and '
            'their rounding'
        )


def _describe_hash(digits: int) -> str:
    if digits == _LONG:
        return '(all digits are those in the model index)'
    if digits:
        return f'(the first {digits} digits are those in its name)'
    return "(compared with the hub's at the download; no other is published)"


def _name(agrees: bool) -> str:
    return 'agrees' if agrees else 'differs'


def _to_json(done: Verified) -> dict[str, Any]:
    figures = {
        figure.name.partition(' ')[0]: dict(
            expected=figure.expected,
            found=figure.found.percent,
            interval=list(figure.found.interval),
            agrees=figure.agrees,
        )
        for figure in done.figures
    }
    return dict(
        model=done.model,
        weights=str(done.path),
        sha256=done.sha256,
        dataset=done.dataset,
        images=done.figures[0].found.total,
        complete=done.complete,
        tolerance=done.tolerance,
        figures=figures,
        agrees=done.agrees,
    )
