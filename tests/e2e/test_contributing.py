"""The four tasks of CONTRIBUTING: each example is applied to a copy of the checkout and works."""

import os
import re
import shutil
import subprocess
import sys

import pytest

DIGITS = 'wide-resnet16-2_1xb64_digits'
# For each task the commands that show that it is done, and a line that they print.
TASKS = {
    'A config': [
        (['wrn', 'info', 'wide-resnet10-3_8xb16_svhn'], '677,274'),
        (['pytest', '-q', '-n0', 'tests/unit/test_model_index.py', '-k', '10-3'], ' passed'),
        (['pytest', '-q', '-n0', 'tests/unit/test_published_figures.py', '-k', '10-3'], ' passed'),
    ],
    'A checkpoint format': [
        (['wrn', 'convert', DIGITS, 'x.pth', '--to', 'stages'], 'bit for bit'),
        (['pytest', '-q', '-n0', 'tests/unit/test_format_contract.py', '-k', 'stages'], ' passed'),
    ],
    'An engine': [(['wrn', 'predict', 'demo/digit_7.png', '--backend', 'float64'], 'float64')],
    'A command': [(['wrn', 'count', 'demo'], '2')],
}


@pytest.fixture
def copy(checkout, tmp_path):
    """A copy of the source tree, which `python -m` uses in place of what is installed."""
    folder = tmp_path / 'copy'
    ignored = shutil.ignore_patterns('.*', '__pycache__', '*.png', '*.egg-info', 'work_dirs')
    shutil.copytree(checkout, folder, ignore=ignored)
    shutil.copytree(checkout / 'demo', folder / 'demo', dirs_exist_ok=True)
    subprocess.run(['git', 'init', '-q'], cwd=folder, check=True)
    return folder


def test_the_tasks_are_those_of_the_document(checkout):
    text = (checkout / 'CONTRIBUTING.md').read_text()
    assert re.findall(r'^### (.*)$', text, re.MULTILINE) == list(TASKS)


@pytest.mark.slow
@pytest.mark.parametrize('task', TASKS)
def test_two_files_do_it(task, copy):
    (part,) = re.findall(
        rf'^### {task}\n.*?^```diff\n(.*?)^```', (copy / 'CONTRIBUTING.md').read_text(), re.M | re.S
    )
    changed = re.findall(r'^\+\+\+ b/(.*)$', part, re.MULTILINE)
    assert len(changed) == 2
    subprocess.run(['git', 'apply', '-'], cwd=copy, input=part, text=True, check=True)
    environment = os.environ | {'PYTHONPATH': str(copy)}
    for command, line in TASKS[task]:
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', *command],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        assert line in done.stdout + done.stderr
    assert all((copy / name).is_file() for name in changed)
