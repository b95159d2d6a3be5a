"""The four tasks of CONTRIBUTING: each example is applied to a copy of the checkout and works."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

TASKS = ['A config', 'A checkpoint format', 'An engine', 'A command']


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
    assert re.findall(r'^### (.*)$', text, re.MULTILINE) == TASKS


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize('task', TASKS)
def test_few_files_do_it(task, copy):
    text = (copy / 'CONTRIBUTING.md').read_text()
    section = text.partition(f'\n### {task}\n')[2].partition('\n### ')[0]
    changes, commands = re.findall(r'^```\w+\n(.*?)^```', section, re.MULTILINE | re.DOTALL)
    changed = re.findall(r'^\+\+\+ b/(.*)$', changes, re.MULTILINE)
    assert len(changed) <= 3  # a module, its registration, and its name on the command line
    subprocess.run(['git', 'apply', '-'], cwd=copy, input=changes, text=True, check=True)
    assert all((copy / name).is_file() for name in changed)
    environment = os.environ | {'PYTHONPATH': str(copy), 'PYTHONWARNINGS': 'ignore'}
    for command in commands.splitlines():
        program, *arguments = shlex.split(command)
        if program == 'pytest':
            arguments += ['-n0']
        done = subprocess.run(
            [sys.executable, '-m', program, *arguments],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
