"""What a container or a job allows counts, not what the machine has."""

import os
import shutil
import tempfile
from collections import namedtuple

import pytest

from wrn_base.doctor.machine import check_machine

GIB = 1 << 30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine of 8 cores, 4 of them for this process, with 16 GiB of memory."""
    monkeypatch.setattr(os, 'cpu_count', lambda: 8)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0, 1, 2, 3})
    monkeypatch.delenv('OMP_NUM_THREADS')

    def write(files):
        files = {
            'proc/meminfo': f'MemTotal: {16 * GIB >> 10} kB\nMemAvailable: {8 * GIB >> 10} kB\n',
            'proc/self/cgroup': '0::/a/b\n',
            **files,
        }
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return {one.name: one for one in check_machine(tmp_path)}

    return write


def test_without_limits(machine):
    files = {'sys/fs/cgroup/a/b/cpu.max': 'max 100000\n', 'sys/fs/cgroup/a/b/memory.max': 'max\n'}
    found = machine(files)
    assert found['processor'].value == '4 cores of 8'
    assert found['memory'].value == '16.0 GiB, 8.0 GiB available'
    assert 'shared memory' not in found  # no /dev/shm
    assert {found[name].status for name in ('processor', 'memory')} == {'ok'}


VERSION_2 = {
    'sys/fs/cgroup/a/b/cpu.max': 'max 100000\n',
    'sys/fs/cgroup/a/cpu.max': '200000 100000\n',
    'sys/fs/cgroup/a/memory.max': f'{4 * GIB}\n',
    'sys/fs/cgroup/a/memory.current': f'{7 * GIB // 2}\n',
}
VERSION_1 = {
    'proc/self/cgroup': '4:cpu,cpuacct:/job\n3:memory:/job\n1:name=systemd:/\n',
    'sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us': '200000\n',
    'sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
    'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    'sys/fs/cgroup/memory/job/memory.limit_in_bytes': f'{4 * GIB}\n',
    'sys/fs/cgroup/memory/job/memory.usage_in_bytes': f'{7 * GIB // 2}\n',
    'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    'sys/fs/cgroup/memory/memory.usage_in_bytes': f'{9 * GIB}\n',
}


@pytest.mark.parametrize('files', [VERSION_2, VERSION_1], ids=['v2', 'v1'])
def test_limits_of_control_groups(machine, files):
    found = machine(files)
    assert '2 at a time' in found['processor'].value
    assert found['processor'].status == 'warning'
    assert found['processor'].cure == 'export OMP_NUM_THREADS=2'
    assert '512 MiB of the 4.0 GiB of the container' in found['memory'].value
    assert found['memory'].status == 'warning'


def test_threads_that_fit_the_limit(machine, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '2')
    assert machine(VERSION_2)['processor'].status == 'ok'


def test_full_disks(machine, monkeypatch, tmp_path):
    usage = namedtuple('usage', 'total used free')
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: usage(64 << 20, 0, 64 << 20))
    found = machine({})
    assert '--shm-size' in found['shared memory'].cure
    assert found['disk of this folder'].value == f'64 MiB free in {os.getcwd()}'
    assert found['disk of this folder'].status == 'warning'

    def refuse():
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, 'gettempdir', refuse)
    found = machine({})
    assert found['temporary'].status == 'broken'
    assert 'TMPDIR' in found['temporary'].cure


def test_another_system(tmp_path):
    """Without ``/proc``, only what Python itself knows is reported."""
    assert 'processor' in {one.name for one in check_machine(tmp_path)}
