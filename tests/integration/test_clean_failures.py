"""What is missing on a machine ends a command with one line that says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run_wrn
from small_run import write_config, write_data

import wrn
from wrn.utils.devices import check_device
from wrn.utils.memory import batch_errors, is_out_of_memory
from wrn_base.errors import WrnError

WRN = [sys.executable, '-c', 'from wrn_base.cli import run_and_exit; run_and_exit()']
NAME = 'wide-resnet16-2_1xb64_digits'
LIBGL = 'libGL.so.1: cannot open shared object file: No such file or directory'


def run_without(tmp_path, words, start=WRN, **stubs):
    """Run a command, or Python, where these modules have another text."""
    for name, text in stubs.items():
        Path(tmp_path, f'{name}.py').write_text(text)
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    environment = {**os.environ, 'PYTHONPATH': path}
    environment.pop('WRN_DEBUG', None)
    return subprocess.run(
        [*start, *words], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize(
    ('stub', 'message'),
    [
        (f'raise ImportError({LIBGL!r})', 'the system library libGL.so.1 is missing; install it (Debian, Ubuntu: apt install libgl1'),
        ('import no_such_module', 'the package no-such-module is not installed; pip install no-such-module'),
        ('raise AttributeError("np.bool8 was removed")', 'np.bool8 was removed; install it again'),
    ],
)  # fmt: skip
@pytest.mark.parametrize('start', [WRN, [sys.executable, '-m', 'wrn']])
def test_a_package_that_cannot_be_imported(tmp_path, stub, message, start):
    done = run_without(tmp_path, ['predict', 'x.png'], start, cv2=stub)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f'wrn: error: {message}')
    assert line.endswith('`wrn doctor` finds out more')
    assert not done.stdout


def test_import_in_python_ends_with_the_same_line(tmp_path):
    script = 'try:\n import wrn\nexcept ImportError as error:\n print(error)\nimport wrn'
    python = [sys.executable, '-c', script]
    done = run_without(tmp_path, [], python, cv2=f'raise ImportError({LIBGL!r})')
    (line,) = done.stdout.splitlines()
    assert 'pip uninstall -y opencv-python && pip install opencv-python-headless' in line
    assert done.stderr.splitlines()[-1] == f'wrn_base.import_errors.BrokenImportError: {line}'
    assert done.stderr.count('Traceback') == 1
    assert 'cv2.py' not in done.stderr


def test_what_needs_no_opencv_works_without(tmp_path):
    stub = f'raise ImportError({LIBGL!r})'
    for words in (['--help'], ['list'], ['train', '--help']):
        assert run_without(tmp_path, words, cv2=stub).returncode == 0


def real_errors():
    """What torch and numpy raise, with more bytes than any machine has."""
    for allocate in (
        lambda: torch.empty(1 << 60, dtype=torch.uint8),
        lambda: np.empty(1 << 60, np.uint8),
    ):
        try:
            allocate()
        except (RuntimeError, MemoryError) as error:
            yield error


def test_the_errors_of_the_libraries_are_recognized():
    errors = list(real_errors())
    assert len(errors) == 2
    assert all(map(is_out_of_memory, [*errors, torch.OutOfMemoryError('CUDA out of memory.')]))
    assert not is_out_of_memory(RuntimeError('mat1 and mat2 shapes cannot be multiplied'))
    assert not is_out_of_memory(ValueError("can't allocate memory"))


def test_the_message():
    for error, wanted in zip(real_errors(), ('1152921504606846976 bytes', '1.00 EiB'), strict=True):
        with pytest.raises(WrnError) as caught, batch_errors(64):
            raise error
        assert str(caught.value) == (
            f'--batch-size 64: a batch of 64 images does not fit into memory (another {wanted} would '
            'be needed); lower it, such as to 32'
        )
    one = pytest.raises(WrnError, match='1 image does not fit into memory; use a smaller model')
    with one, batch_errors(1):
        raise torch.OutOfMemoryError('CUDA error')
    with pytest.raises(RuntimeError, match='other'), batch_errors(1):
        raise RuntimeError('other')


GREEDY = """
from mmpretrain.registry import MODELS
from wrn import WideResNetCIFAR

@MODELS.register_module()
class Greedy(WideResNetCIFAR):
    def forward(self, images):
        if len(images) > 3:
            images.new_empty((len(images), 1 << 50))
        return super().forward(images)
"""


@pytest.fixture(scope='module')
def greedy(tmp_path_factory):
    """A network that wants more memory than there is for more than three images."""
    folder = tmp_path_factory.mktemp('greedy')
    write_data(folder, 4)
    (folder / 'greedy.py').write_text(GREEDY)
    text = "custom_imports['imports'] = ['wrn', 'greedy']\nmodel['backbone']['type'] = 'Greedy'\n"
    write_config(folder / 'small.py')
    model = wrn.get_model(str(folder / 'small.py'))
    torch.save(dict(state_dict=model.state_dict()), folder / 'w.pth')
    write_config(folder / 'small.py', text)
    return folder


@pytest.mark.parametrize(
    ('words', 'size'),
    [
        (['train', 'small.py', '--batch-size', '6'], 6),
        (['train', 'small.py'], 8),
        (['test', 'small.py', 'w.pth', '--batch-size', '5'], 5),
        (['finetune', 'data', '--model', 'small.py', '--checkpoint', 'w.pth', '--batch-size', '5'], 5),
        (['predict', 'data', '--model', 'small.py', '--checkpoint', 'w.pth', '--batch-size', '6'], 6),
        (['features', 'data', '--model', 'small.py', '--checkpoint', 'w.pth', '--batch-size', '7', '--out', 'x.npy', '--stages', 'layer1'], 7),
        (['overfit', 'small.py', '--batch-size', '9'], 9),
        (['finetune', 'data', '--model', 'small.py', '--checkpoint', 'w.pth', '--head-only'], 32),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else '',
)  # fmt: skip
def test_a_batch_that_does_not_fit(greedy, monkeypatch, words, size):
    monkeypatch.setenv('PYTHONPATH', str(greedy), prepend=os.pathsep)
    monkeypatch.syspath_prepend(str(greedy))
    done = run_wrn(words, 120, greedy)
    assert done.returncode == 1, done.stderr
    line = done.stderr.splitlines()[-1]
    option = '--batch-size '
    if '--head-only' in words:
        option = '--cfg-options test_dataloader.batch_size='
    start = f'wrn: error: {option}{size}: a batch of {size} images does not fit into memory ('
    assert line.startswith(start), line
    assert f'lower it, such as to {size // 2}' in line
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(
    'words',
    [
        ['train', NAME],
        ['test', NAME],
        ['finetune', 'data', '--model', NAME],
        ['predict', 'data'],
        ['features', 'data', '--model', NAME, '--pool', '--out', 'x.npy'],
    ],
    ids=lambda words: words[0],
)
def test_a_gpu_where_there_is_none(fails, greedy, monkeypatch, words):
    monkeypatch.chdir(greedy)
    error = fails(*words, '--device', 'cuda')
    assert error.startswith('wrn: error: --device cuda: unavailable (')
    assert error.endswith('); give cpu; no GPU was found')


@pytest.mark.parametrize(
    ('gpus', 'cure'), [(0, 'cpu; no GPU was found'), (2, 'cpu or cuda:0 to cuda:1; 2 GPUs found')]
)
@pytest.mark.parametrize('device', ['CPU', 'gpu', 'cuda:x'])
def test_a_device_that_torch_does_not_know(monkeypatch, device, gpus, cure):
    monkeypatch.setattr('wrn.utils.devices.get_device', lambda: 'cuda' if gpus else 'cpu')
    monkeypatch.setattr('torch.cuda.device_count', lambda: gpus)
    with pytest.raises(WrnError) as error:
        check_device(device)
    assert str(error.value) == f'--device {device}: unknown; give {cure}'


def test_a_data_worker_that_has_died_before_the_exit():
    script = """
import atexit, signal, subprocess
atexit.register(lambda: subprocess.run(['true']))
signal.signal(signal.SIGCHLD, lambda *_: 1 / 0)  # torch's raises an error, too
from wrn_base.cli import _fail
_fail('none')
"""
    result = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (1, 'wrn: error: none\n')
