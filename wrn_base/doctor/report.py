"""Show findings: a table for each section, and a line for each problem."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from wrn_base.doctor.finding import Finding
from wrn_base.tables import print_table
from wrn_base.terminal import show
from wrn_base.version import __version__


def print_findings(findings: Iterable[Finding]) -> None:
    """Print a table of each section, and each problem with its cure in one line.

    Args:
        findings: The findings. Those of a section follow each other. Problems that are the same
            are printed in one line.
    """
    problems: dict[tuple[str, str], list[str]] = {}
    for section, group in groupby(findings, lambda one: one.section):
        rows = []
        for one in group:
            rows.append((one.name, one.value, one.status))
            if one.status in ('warning', 'broken'):
                problems.setdefault((one.problem, one.cure), []).append(one.name)
        print_table(rows, (section, 'found', 'status'))
        show('')
    for (problem, cure), names in problems.items():
        show(f'{", ".join(names)}: {problem}; {cure}')


def to_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return what ``wrn doctor --json`` prints: the version, and the fields of each finding.

    Args:
        findings: The findings.
    """
    return dict(version=__version__, findings=[asdict(one) for one in findings])
