"""``wrn doctor``: find out what is wrong with an installation. It works without torch."""

import argparse
import sys

from rich.console import Console

from wrn_base.errors import WrnError, count
from wrn_base.options import flag
from wrn_base.terminal import show, show_json

DOCS = 'docs/doctor.md'
EXAMPLES = {
    '': 'takes a minute, most of it for torch.compile',
    '--offline': 'leaves the network alone',
    '--json': 'for scripts, and to attach to a report of a defect',
}
ARGUMENTS = {
    '--offline': flag('do not ask the sources of weights whether they are reached'),
    '--json': flag('print JSON: the version, and a list of findings'),
}


def run(args: argparse.Namespace) -> bool:
    """Examine the installation, and print what was found.

    Args:
        args: The arguments.

    Returns:
        True: there is no more to do.

    Raises:
        WrnError: If something is broken.
    """
    from wrn_base.doctor.examine import examine  # needs packages that may be missing
    from wrn_base.doctor.report import print_findings, to_json

    console = Console(stderr=True, quiet=not sys.stderr.isatty())
    with console.status('') as status:
        findings = list(examine(args.offline, lambda name: status.update(f'examining {name}')))
    if args.json:
        show_json(to_json(findings))
    else:
        print_findings(findings)
    if broken := sum(one.status == 'broken' for one in findings):
        verb = 'is' if broken == 1 else 'are'
        where = 'in the output' if args.json else 'above'
        raise WrnError(f'doctor: {count(broken, "part")} {verb} broken; the cures are {where}')
    if not args.json:
        show('nothing is broken')
    return True
