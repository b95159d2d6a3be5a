"""Compare the installed packages with the requirements in the metadata of this one."""

import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wrn_base.doctor.finding import Finding
from wrn_base.errors import some
from wrn_base.import_errors import DISTRIBUTIONS

_OURS = 'mmpretrain-wrn'
_FOR_DEVELOPERS = ('tests', 'dev')  # extras
_FORK = 'onedl-'  # its packages have version numbers of their own
_FORKS_SAFELY_FROM = {'3.10': '3.10.15', '3.11': '3.11.10'}  # CPython's gh-112275
_MODULES = {name: module for module, name in DISTRIBUTIONS.items()}


@dataclass(frozen=True)
class _Installed:
    """An installed distribution."""

    name: str
    version: str
    requires: list[Requirement]


def check_packages() -> Iterator[Finding]:
    """Yield a finding for Python, and for each package that is required or optional.

    Any distribution that provides the module of a requirement counts, such as
    ``opencv-python-headless`` for ``opencv-python``.
    """
    yield from _check_ours()
    required, optional = _read_requirements()
    providers = _find_providers([*required, *optional])
    for requirement in required:
        yield _check(requirement, providers)
    for requirement, extra in optional.items():
        yield _check(requirement, providers, extra)


def check_conflicts() -> Iterator[Finding]:
    """Yield a finding for each known conflict between installed packages."""
    required, optional = _read_requirements()
    providers = _find_providers([*required, *optional])
    for module, found in providers.items():
        if len(found) > 1:
            yield _report_overlap(module, found, [*required, *optional])
    chosen = {found[0].name: found[0] for found in providers.values() if found}
    for package in chosen.values():
        for requirement in package.requires:
            other = chosen.get(canonicalize_name(requirement.name))
            if other and not _fits(requirement.specifier, other.version):
                yield Finding(
                    'conflicts',
                    f'{package.name}, {other.name}',
                    f'{package.version}, {other.version}',
                    'warning',
                    f'{package.name} needs {other.name}{requirement.specifier}',
                    f'pip install --upgrade {package.name} {other.name}',
                )
    yield from _check_pkg_resources()


def _check_ours() -> Iterator[Finding]:
    version = platform.python_version()
    python = f'{version}, {sys.executable}'
    try:
        ours = distribution(_OURS)
    except PackageNotFoundError:
        yield Finding('packages', 'python', python)
        yield Finding(
            'packages',
            _OURS,
            'not installed',
            'broken',
            'its requirements are unknown, since it runs from a folder',
            'pip install -e FOLDER',
        )
        return
    wanted = ours.metadata['Requires-Python'] or ''
    fixed = _FORKS_SAFELY_FROM.get(version.rpartition('.')[0], '')
    if not _fits(SpecifierSet(wanted), version):
        yield Finding(
            'packages', 'python', python, 'broken', f'needs {wanted}', 'install another Python'
        )
    elif fixed and not _fits(SpecifierSet(f'>={fixed}'), version) and sys.platform == 'linux':
        yield Finding(
            'packages',
            'python',
            python,
            'warning',
            'data workers may hang when training with several processes starts (gh-112275)',
            f'upgrade to Python {fixed} or newer',
        )
    else:
        yield Finding('packages', 'python', python)
    yield Finding('packages', _OURS, ours.version)


def _read_requirements() -> tuple[list[Requirement], dict[Requirement, str]]:
    """Return the requirements of this package, and the optional ones with their extras."""
    try:
        ours = distribution(_OURS)
    except PackageNotFoundError:
        return [], {}
    required, optional = [], dict[Requirement, str]()
    for requirement in map(Requirement, ours.requires or ()):
        if not requirement.marker or requirement.marker.evaluate({'extra': ''}):
            required.append(requirement)
            continue
        for extra in ours.metadata.get_all('Provides-Extra') or ():
            if extra in _FOR_DEVELOPERS or not requirement.marker.evaluate({'extra': extra}):
                continue
            plain = Requirement(f'{requirement.name}{requirement.specifier}')
            optional[plain] = f'{optional[plain]}, {extra}' if plain in optional else extra
    return required, optional


def _module(requirement: Requirement) -> str:
    name = canonicalize_name(requirement.name)
    return _MODULES.get(name, name.replace('-', '_'))


def _find_providers(requirements: Iterable[Requirement]) -> dict[str, list[_Installed]]:
    """Find the distributions that provide the module of each requirement, by module.

    The one that the requirement names comes first.
    """
    names = {_module(requirement): requirement.name for requirement in requirements}
    found: dict[str, list[_Installed]] = {module: [] for module in names}
    seen = set[str]()
    for each in distributions():
        name = canonicalize_name(each.metadata['Name'] or '')
        if not name or name in seen:  # a broken installation, or one that another one hides
            continue
        seen.add(name)
        for module in _top_level(each) & found.keys():
            requires = [Requirement(text) for text in each.requires or ()]
            plain = [r for r in requires if not r.marker or r.marker.evaluate({'extra': ''})]
            found[module].append(_Installed(name, each.version, plain))
    for module, installed in found.items():
        installed.sort(key=lambda one: (one.name != canonicalize_name(names[module]), one.name))
    return found


def _top_level(each: Distribution) -> set[str]:
    """Return the names of a distribution's modules and packages, and of other files."""
    record = each.read_text('RECORD') or each.read_text('top_level.txt') or ''
    first = (line.partition(',')[0].partition('/')[0] for line in record.splitlines())
    return {name.partition('.')[0] for name in first if not name.endswith('-info')}


def _check(
    requirement: Requirement, providers: dict[str, list[_Installed]], extra: str | None = None
) -> Finding:
    name = canonicalize_name(requirement.name)
    quoted = f"'{name}{requirement.specifier}'" if requirement.specifier else name
    cure = f'pip install {quoted}'
    named = [_Installed(name, one.version, []) for one in distributions(name=name)]
    found = next(iter([*named, *providers[_module(requirement)]]), None)
    if found is None:
        if extra:
            return Finding('packages', name, f'not installed (optional: {extra})', 'absent')
        return Finding('packages', name, 'not installed', 'broken', 'it is required', cure)
    value = found.version if found.name == name else f'{found.name} {found.version}'
    if found.name.startswith(_FORK) or _fits(requirement.specifier, found.version):
        return Finding('packages', name, value)
    problem = f'needs {requirement.specifier}'
    return Finding('packages', name, value, 'warning' if extra else 'broken', problem, cure)


def _fits(specifier: SpecifierSet, version: str) -> bool:
    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:  # of a build of somebody's own
        return True


def _report_overlap(
    module: str, found: list[_Installed], requirements: list[Requirement]
) -> Finding:
    wanted = next(r for r in requirements if _module(r) == module)
    remove = ' '.join(one.name for one in found)
    return Finding(
        'conflicts',
        some((one.name for one in found), len(found)),
        ', '.join(one.version for one in found),
        'warning',
        f'all of them write the package {module}, so its files are mixed',
        f"pip uninstall -y {remove} && pip install '{wanted.name}{wanted.specifier}'",
    )


def _check_pkg_resources() -> Iterator[Finding]:
    """Find out whether mmengine needs a module that newer setuptools no longer have."""
    spec = PathFinder.find_spec('mmengine')
    if PathFinder.find_spec('pkg_resources') or spec is None or not spec.origin:
        return
    user = Path(spec.origin).with_name('utils') / 'package_utils.py'
    if user.is_file() and 'pkg_resources' in user.read_text(encoding='utf-8'):
        found = next(iter(distributions(name='setuptools')), None)
        yield Finding(
            'conflicts',
            'setuptools',
            found.version if found else 'not installed',
            'warning',
            "has no pkg_resources, which mmengine needs for configs with _base_ = 'PACKAGE::FILE'",
            "pip install 'setuptools<81'",
        )
