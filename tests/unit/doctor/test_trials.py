"""A trial that fails, crashes or hangs is one finding, and those after it are made."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wrn.deploy.engines.torch_engines import FusedEngine
from wrn.inference import backend_trials
from wrn_base.doctor.trials import try_all

WORKER = """
import json, os, signal, sys, time
for name in ('a', 'crash', 'b', 'hang', 'raise', 'c'):
    if name in sys.argv[1:]:
        continue
    print(json.dumps(dict(section='s', name=name)), flush=True)
    if name == 'crash':
        os.kill(os.getpid(), signal.SIGILL)
    if name == 'hang':
        time.sleep(60)
    if name == 'raise':
        raise RuntimeError('it is wrong')
    print(json.dumps(dict(section='s', name=name, value='v', status='ok', problem='', cure='')), flush=True)
"""


def test_trials_that_end_the_process():
    started = []
    found = list(try_all(started.append, [sys.executable, '-c', WORKER], seconds=2))
    assert [one.name for one in found] == ['a', 'crash', 'b', 'hang', 'raise', 'c'] == started
    problems = {one.name: one.problem for one in found if one.status == 'broken'}
    assert problems == {
        'crash': 'ended by SIGILL',
        'hang': 'no end after 2 s',
        'raise': 'ended with status 1: RuntimeError: it is wrong',
    }


@pytest.mark.parametrize('script', ['raise SystemExit("no")', WORKER + 'raise ValueError("no")'])
def test_a_worker_that_fails_between_trials_is_not_started_for_ever(script):
    *_, last = try_all(command=[sys.executable, '-c', script], seconds=2)
    assert last.status == 'broken'
    assert 'no' in last.problem


def worker(tmp_path, *done, **stubs):
    for name, text in stubs.items():
        Path(tmp_path, f'{name}.py').write_text(text)
    command = [sys.executable, '-m', 'wrn_base.doctor.worker', *done]
    environment = dict(PYTHONPATH=str(tmp_path), PATH='/usr/bin:/bin', HOME=str(tmp_path))
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    lines = map(json.loads, result.stdout.splitlines())
    return {line['name']: line for line in lines if 'status' in line}


def test_a_package_that_cannot_be_imported(tmp_path):
    """The real text of a machine without libGL, and what depends on OpenCV fails, too."""
    text = 'libGL.so.1: cannot open shared object file: No such file or directory'
    found = worker(
        tmp_path, 'torch', 'torchvision', 'accelerator', cv2=f'raise ImportError({text!r})'
    )
    assert found['cv2']['status'] == found['wrn']['status'] == 'broken'
    assert found['cv2']['problem'] == 'the system library libGL.so.1 is missing'
    assert 'apt install libgl1' in found['cv2']['cure']
    assert 'opencv-python-headless' in found['cv2']['cure']
    assert found['PIL.Image']['status'] == 'ok'
    assert 'eager' not in found


def test_backends_of_this_machine():
    """The backends that take no time to build; tests/parity has all."""
    for name in ('eager', 'fused'):
        found = backend_trials.try_backend(name)
        assert found.status == 'ok', found
        assert float(found.value.split()[2]) < 1e-4
    assert backend_trials.try_backend('tensorrt').status == 'absent'


def test_a_backend_that_computes_something_else(monkeypatch):
    right = FusedEngine.run

    def run(engine, inputs):
        return tuple(output + 1 for output in right(engine, inputs))

    monkeypatch.setattr(FusedEngine, 'run', run)
    found = backend_trials.try_backend('fused')
    assert found.status == 'broken'
    assert 'differs from eager' in found.problem
    assert found.cure == 'use another backend or format'
