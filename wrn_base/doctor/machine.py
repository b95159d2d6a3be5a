"""Measure what the machine, and the container or job in it, gives to this process."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wrn_base.doctor.finding import Finding
from wrn_base.errors import count

_GIB = 1 << 30
_LEAST_MEMORY = 1 * _GIB  # `wrn predict` with a wide-resnet50 takes as much: docs/inference.md
_LEAST_SHARED = 256 << 20  # four data workers with two batches each of 32 images of 224x224 pixels
_LEAST_DISK = 2 * _GIB  # a checkpoint of a wide-resnet50 has 0.5 GB, and a run keeps three


def check_machine(root: Path = Path('/')) -> Iterator[Finding]:
    """Yield a finding for the cores, the memory, the shared memory and the disks.

    Args:
        root: The folder of ``proc``, ``sys`` and ``dev``. Defaults to the root of the file system.
    """
    yield _check_cores(root)
    yield from _check_memory(root)
    yield from _check_shared_memory(root)
    yield from _check_disks()


def format_size(size: float) -> str:
    """Return a number of bytes in GiB or MiB."""
    return f'{size / _GIB:.1f} GiB' if size >= _GIB else f'{size / (1 << 20):.0f} MiB'


def _check_cores(root: Path) -> Finding:
    present = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else present
    value = count(usable, 'core')
    if usable < present:
        value += f' of {present}'
    threads = os.environ.get('OMP_NUM_THREADS')
    if threads:
        value += f', OMP_NUM_THREADS={threads}'
    quota = _cpu_quota(root)
    if quota is None or quota >= usable:
        return Finding('machine', 'processor', value)
    value += f', of which the container may use {quota:g} at a time'
    if threads and threads.isdigit() and int(threads) <= max(1, quota):
        return Finding('machine', 'processor', value)
    return Finding(
        'machine',
        'processor',
        value,
        'warning',
        f'torch starts {usable} threads, which is slower than {max(1, int(quota))}',
        f'export OMP_NUM_THREADS={max(1, int(quota))}',
    )


def _check_memory(root: Path) -> Iterator[Finding]:
    try:
        lines = (root / 'proc' / 'meminfo').read_text(encoding='utf-8').splitlines()
        sizes = {line.partition(':')[0]: int(line.split()[1]) << 10 for line in lines}
        total, available = sizes['MemTotal'], sizes['MemAvailable']
    except (OSError, ValueError, LookupError):  # not Linux
        return
    value = f'{format_size(total)}, {format_size(available)} available'
    if limit := _memory_limit(root):
        left = max(0, limit[0] - limit[1])
        value += f', {format_size(left)} of the {format_size(limit[0])} of the container'
        available = min(available, left)
    if available >= _LEAST_MEMORY:
        yield Finding('machine', 'memory', value)
        return
    yield Finding(
        'machine',
        'memory',
        value,
        'warning',
        f'less than {format_size(_LEAST_MEMORY)} is available',
        'end other programs, give the container more, or use a smaller --batch-size',
    )


def _check_shared_memory(root: Path) -> Iterator[Finding]:
    try:
        usage = shutil.disk_usage(root / 'dev' / 'shm')
    except OSError:
        return
    value = f'{format_size(usage.free)} of {format_size(usage.total)} free'
    if usage.free >= _LEAST_SHARED:
        yield Finding('machine', 'shared memory', value)
        return
    yield Finding(
        'machine',
        'shared memory',
        value,
        'warning',
        'data workers pass images through it, and are killed when it is full',
        'docker run --shm-size=1g, or --cfg-options train_dataloader.num_workers=0',
    )


def _check_disks() -> Iterator[Finding]:
    seen = set[int]()
    for name, folder in (('disk of this folder', Path.cwd()), ('temporary', _temporary())):
        if folder is None:
            yield Finding(
                'machine',
                name,
                'none',
                'broken',
                'no temporary folder can be written to',
                'free space in /tmp, or set TMPDIR to another folder',
            )
            continue
        device = folder.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(folder).free
        value = f'{format_size(free)} free in {folder}'
        if free >= _LEAST_DISK:
            yield Finding('machine', name, value)
        else:
            problem = f'less than {format_size(_LEAST_DISK)} is free'
            yield Finding('machine', name, value, 'warning', problem, 'free some space')


def _temporary() -> Path | None:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return None


def _cpu_quota(root: Path) -> float | None:
    """Return how many cores the control groups of this process allow at a time; None for all."""
    quotas = []
    for folder in _control_groups(root, 'cpu'):
        words = _read(folder / 'cpu.max').split()  # version 2
        words = words or [_read(folder / f'cpu.cfs_{n}_us').strip() for n in ('quota', 'period')]
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def _memory_limit(root: Path) -> tuple[int, int] | None:
    """Return the smallest limit of the control groups, and what is in use of it; None for none."""
    limits = []
    for folder in _control_groups(root, 'memory'):
        for limit, used in (
            ('memory.max', 'memory.current'),
            ('memory.limit_in_bytes', 'memory.usage_in_bytes'),
        ):
            sizes = [_read(folder / name).strip() for name in (limit, used)]
            if all(map(str.isdigit, sizes)) and int(sizes[0]) < 1 << 60:  # version 1 has no 'max'
                limits.append((int(sizes[0]), int(sizes[1])))
    return min(limits, default=None)


def _control_groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control groups and of all above them."""
    for line in _read(root / 'proc' / 'self' / 'cgroup').splitlines():
        _, controllers, path = line.split(':', 2)
        if controllers and controller not in controllers.split(','):
            continue
        top = root / 'sys' / 'fs' / 'cgroup'
        top = top / controllers if controllers else top
        folder = top / path.strip('/')
        yield from (above for above in (folder, *folder.parents) if above.is_relative_to(top))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except OSError:
        return ''
