"""``wrn doctor`` on this installation, and on one where OpenCV cannot be imported."""

import json
import os
import subprocess
import sys

import pytest

from wrn_base import options

COMMAND = [sys.executable, '-c', 'from wrn_base.cli import run_and_exit; run_and_exit()', 'doctor']
LIBGL = 'libGL.so.1: cannot open shared object file: No such file or directory'


def doctor(*words, **environment):
    done = subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert 'Traceback' not in done.stderr, done.stderr
    return done


@pytest.fixture
def no_opencv(tmp_path):
    (tmp_path / 'cv2.py').write_text(f'raise ImportError({LIBGL!r})\n')
    return dict(PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')]))


def test_what_is_broken_is_said_with_its_cure(no_opencv):
    done = doctor('--offline', **no_opencv)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith('wrn: error: doctor: ')
    assert 'parts are broken' in line
    (cure,) = [line for line in done.stdout.splitlines() if 'apt install libgl1' in line]
    assert cure.startswith('cv2, ')  # and all that import it
    assert 'the system library libGL.so.1 is missing; install it' in cure
    tables = done.stdout.split('\n\n')
    assert [table.split()[0] for table in tables[:4]] == [
        'packages',
        'conflicts',
        'machine',
        'caches',
    ]


def test_json_has_the_same(no_opencv, dead_host):
    environment = dict(HF_ENDPOINT=dead_host, WRN_URL_MAPPING=f'https://[^/]+ {dead_host}')
    done = doctor('--json', **no_opencv, **environment)
    assert done.returncode == 1
    content = json.loads(done.stdout)
    assert content.keys() == {'version', 'findings'}
    for one in content['findings']:
        assert one.keys() == {'section', 'name', 'value', 'status', 'problem', 'cure'}
        assert one['status'] in ('ok', 'absent', 'warning', 'broken')
        assert bool(one['problem']) == bool(one['cure']) == (one['status'] in ('warning', 'broken'))
    found = {(one['section'], one['name']): one for one in content['findings']}
    assert found['imports', 'cv2']['status'] == found['imports', 'wrn']['status'] == 'broken'
    source = found['network', dead_host.removeprefix('http://')]
    assert (source['status'], source['problem']) == ('broken', 'Connection refused')


def test_a_part_that_cannot_be_examined_hides_no_other(tmp_path):
    """The model index needs a package that may be broken, too."""
    (tmp_path / 'modelindex.py').write_text(
        'raise ImportError("No module named \'ordered_set\'")\n'
    )
    script = (
        f'import sys; sys.path.insert(0, {str(tmp_path)!r})\n'
        'from wrn_base.doctor.examine import examine\n'
        'for one in examine():\n'
        '    print(one.section, one.status, one.cure, sep=" | ")\n'
        '    if one.section == "network":\n'
        '        break\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith('packages | ')
    assert lines[-1] == 'network | broken | pip install ordered-set'


@pytest.mark.ci
def test_all_backends_of_this_machine():
    content = json.loads(doctor('--offline', '--json').stdout)
    found = {one['name']: one for one in content['findings'] if one['section'] == 'backends'}
    assert found.keys() == {'accelerator', *options.BACKENDS} - {'auto'}
    assert 'broken' not in [one['status'] for one in content['findings']]
    assert found['eager']['status'] == found['compile']['status'] == 'ok'
