"""Examine an installation, section by section."""

from collections.abc import Callable, Iterable, Iterator

from wrn_base.doctor.caches import check_caches
from wrn_base.doctor.finding import Finding
from wrn_base.doctor.machine import check_machine
from wrn_base.doctor.packages import check_conflicts, check_packages
from wrn_base.doctor.trials import try_all
from wrn_base.import_errors import explain_import_error
from wrn_base.offline import is_offline


def examine(
    offline: bool = False, started: Callable[[str], None] = lambda name: None
) -> Iterator[Finding]:
    """Examine this installation.

    Args:
        offline: Whether to leave the network alone. Defaults to False: as the environment says.
        started: Is called with the name of each part when it starts. Defaults to nothing.

    Yields:
        The findings. Those of a section follow each other. The slow ones are last.
    """
    for name, check in (
        ('packages', check_packages),
        ('conflicts', check_conflicts),
        ('machine', check_machine),
        ('caches', check_caches),
        ('network', lambda: [] if offline or is_offline() else _check_network()),
    ):
        started(name)
        yield from _guard(name, check)
    yield from try_all(started)


def _check_network() -> Iterator[Finding]:
    from wrn_base.doctor.sources import check_sources, list_sources  # needs the model index

    yield from check_sources(list_sources())


def _guard(section: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Report an error of a check as a finding: a part that is broken must not hide the others."""
    try:
        yield from check()
    except Exception as error:  # of any kind, since anything may be broken
        problem, cure = explain_import_error(error)
        yield Finding(section, section, 'cannot be examined', 'broken', problem, cure)
