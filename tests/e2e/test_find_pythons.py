"""`.ci/run` finds the Pythons that run, and does not take a shim for one."""

import shutil
import subprocess

import pytest

pytestmark = pytest.mark.ci


def find(checkout, path, require=''):
    environment = {
        'PATH': f'{path}:{path.parent}/later:{path.parent}/tools',
        'WRN_REQUIRE_PYTHONS': require,
    }
    command = [checkout / '.ci/find_pythons']
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def shims(tmp_path):
    """A folder of commands: a shim that fails, one Python, and pyenv with another one."""

    def write(path, code):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\n{code}\n')
        path.chmod(0o755)

    (tmp_path / 'tools').mkdir()  # the Pythons of this machine are not beside them
    for tool in ('bash', 'dirname', 'sed'):
        (tmp_path / 'tools' / tool).symlink_to(shutil.which(tool))
    bin, root = tmp_path / 'bin', tmp_path / 'root'
    for version in ('3.10', '3.11', '3.13'):
        write(bin / f'python{version}', 'echo not found >&2; exit 127')
    write(bin / 'python3.12', 'exit 0')
    write(tmp_path / 'later/python3.13', 'exit 0')
    write(bin / 'pyenv', f'echo {root}')
    write(root / 'versions/3.10.13/bin/python', 'exit 0')
    write(root / 'versions/3.1.9/bin/python', 'exit 0')
    return bin


def test_those_that_run(checkout, shims):
    done = find(checkout, shims)
    assert done.stdout.splitlines() == [
        f'3.10 {shims.parent}/root/versions/3.10.13/bin/python',
        f'3.12 {shims}/python3.12',
        f'3.13 {shims.parent}/later/python3.13',
    ]
    assert 'no Python 3.11 here' in done.stderr
    assert done.returncode == 0


def test_a_missing_one_fails_if_all_are_required(checkout, shims):
    assert find(checkout, shims, '1').returncode == 1
    (shims / 'python3.11').write_text('#!/bin/sh\n')
    assert find(checkout, shims, '1').returncode == 0
