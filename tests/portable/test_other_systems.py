"""The main jobs run without what is missing on Windows or macOS, and say what they lose."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from commands import free_port, wait_for
from small_run import write_classes

DIGITS = 'wide-resnet16-2_1xb64_digits'
CLASSES = ['кошка', 'bee', 'ёж']  # cp1252, the encoding of the simulated Windows, has no Cyrillic
DEMO = Path(__file__).resolve().parents[2] / 'demo'
LOST = 'wrn: Windows ends a run without letting it save a checkpoint'

pytestmark = [pytest.mark.ci, pytest.mark.slow]


def environment(system):
    """Return the environment of a process on a simulated system."""
    search = os.pathsep.join([str(Path(__file__).parent), os.environ.get('PYTHONPATH', '')])
    return {**os.environ, 'SIMULATED_SYSTEM': system, 'PYTHONPATH': search, 'CI': ''}


@pytest.fixture
def start(tmp_path):
    """Start ``wrn`` on a simulated system."""
    processes = []

    def start(system, *arguments):
        command = [Path(sys.executable).with_name('wrn'), *map(str, arguments)]
        process = subprocess.Popen(
            command,
            env=environment(system),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding='cp1252' if system == 'windows' else 'utf-8',
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def wrn_on(start):
    """Run ``wrn`` on a simulated system, and return its output and its messages."""

    def run(system, *arguments, code=0):
        process = start(system, *arguments)
        output, messages = process.communicate(timeout=300)
        assert process.returncode == code, output[-2000:] + messages[-4000:]
        assert 'Traceback' not in messages
        return output, messages

    return run


@pytest.mark.parametrize(
    ('system', 'code'),
    [
        ('windows', 'import os; os.open(".", os.O_RDONLY)'),
        ('windows', 'open("a:b.txt", "w")'),
        ('windows', 'import os; f = open("a", "w"); os.replace("a", "b")'),
        ('windows', 'from pathlib import Path; f = open("a", "w"); Path("a").unlink()'),
        ('windows', 'import os; f = open("a", "w"); os.remove("a")'),
        (
            'windows',
            # Python's mmap keeps a descriptor, which is refused, too.
            'import ctypes, os; f = open("a", "w+b"); f.write(b"x"); f.flush(); '
            'ctypes.CDLL(None).mmap(None, 1, 1, 2, f.fileno(), 0); f.close(); os.replace("a", "b")',
        ),
        ('windows', 'import os; os.symlink("a", "link")'),
        ('windows', 'open("CON.txt", "w")'),
        ('windows', 'open("a.", "w")'),
        ('windows', 'open("a ", "w")'),
        ('windows', 'open("a", "w").write("\\u0451")'),
        ('windows', 'open("a", "w").write("\\n"); assert open("a", "rb").read() == b"\\n"'),
        (
            'windows',
            'open("a", "wb").write("\\u0451".encode()); assert open("a").read() == "\\u0451"',
        ),
        (
            'windows',
            'import os, signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(0)); '
            'os.kill(os.getpid(), signal.SIGTERM)',
        ),
        ('windows', '__name__ = "wrn.x"; import os; assert os.name == "posix"'),
        ('windows', 'print("\\u0451")'),
        ('windows', '__name__ = "wrn.x"; import fcntl'),
        ('windows', '__name__ = "wrn.x"; import signal; signal.SIGKILL'),
        ('windows', '__name__ = "wrn_base.x"; import os; os.register_at_fork'),
        ('windows', 'import multiprocessing; multiprocessing.Process(target=lambda: 0).start()'),
        ('macos', 'import multiprocessing; multiprocessing.Process(target=lambda: 0).start()'),
        ('macos', '__name__ = "wrn.x"; import signal; signal.sigwaitinfo'),
        ('macos', '__name__ = "wrn.x"; import os; os.sched_getaffinity'),
        ('macos', '__name__ = "wrn.x"; import select; select.epoll'),
        ('macos', '__name__ = "wrn.x"; import time; time.CLOCK_TAI'),
    ],
)
def test_the_simulation_takes_away(tmp_path, system, code):
    kwargs = dict(cwd=tmp_path, capture_output=True, text=True)
    command = [sys.executable, '-c', code]
    refused = subprocess.run(command, env=environment(system), **kwargs)
    assert refused.returncode in (1, -signal.SIGKILL), refused
    if 'multiprocessing' not in code:
        subprocess.run(command, env=environment(''), check=True, **kwargs)


def test_images_on_windows(wrn_on, tmp_path):
    """predict, features, explain, export, check-data and convert, with names that are not in cp1252."""
    write_classes(tmp_path / 'звери', CLASSES, 3)
    output, _ = wrn_on('windows', 'predict', 'звери', '--topk', 1)
    assert output.count('\\u043a\\u043e\\u0448\\u043a\\u0430') == 3  # escaped, not an error
    for again in ([], ['--overwrite']):
        wrn_on('windows', 'predict', 'звери', '--out', 'результат.csv', *again)
    content = (tmp_path / 'результат.csv').read_bytes()
    assert content.count(b'\n') == 10
    assert b'\r' not in content
    rows = [*csv.DictReader(content.decode().splitlines())]
    assert {Path(row['img_path']).parent.name for row in rows} == {*CLASSES}
    wrn_on('windows', 'features', 'звери', '--model', DIGITS, '--pool', '--out', 'f.npy')
    assert np.load(tmp_path / 'f.npy').shape == (9, 192)
    wrn_on('windows', 'explain', 'звери', '--model', DIGITS, '--out', 'heat')
    assert len([*tmp_path.glob('heat/*.png')]) >= 9
    for format, name in (('onnx', 'digits.onnx'), ('openvino', 'digits.xml')):
        for again in ([], ['--overwrite']):
            wrn_on('windows', 'export', DIGITS, '--format', format, '--out', name, *again)
        output, _ = wrn_on('windows', 'predict', DEMO / 'digit_7.png', '--model', name, '--json')
        (found,) = json.loads(output) if output.startswith('[') else [json.loads(output)]
        assert found['predictions'][0]['pred_class'] == '7'
    wrn_on('windows', 'check-data', 'звери')
    wrn_on('windows', 'convert', DIGITS, 'цифры.pth', '--to', 'openmmlab')
    assert not [*tmp_path.rglob('.wrn-*')]


def test_training_on_windows(wrn_on, tmp_path):
    """train, train --resume with data workers, test, plot and publish."""
    settings = ['--work-dir', 'цифры', '--cfg-options', 'train_cfg.max_epochs=1']
    _, messages = wrn_on('windows', 'train', DIGITS, *settings)
    assert messages.count(LOST) == 1
    settings[-1] = 'train_cfg.max_epochs=2'
    _, messages = wrn_on('windows', 'train', DIGITS, '--resume', '--workers', 2, *settings)
    assert 'after epoch 1' in messages
    run = tmp_path / 'цифры'
    assert Path((run / 'last_checkpoint').read_bytes().decode()).name == 'epoch_2.pth'
    (log, *_) = sorted(run.glob('*/*.log'), reverse=True)
    assert 'цифры' in log.read_text(encoding='utf-8')
    checkpoint = run / 'epoch_2.pth'
    wrn_on('windows', 'test', DIGITS, checkpoint, '--workers', 2, '--out', 'p.csv')
    assert len((tmp_path / 'p.csv').read_bytes().splitlines()) == 356
    wrn_on('windows', 'plot', run)
    output, _ = wrn_on('windows', 'publish', checkpoint, 'published')
    (weights,) = tmp_path.glob('published-*.safetensors')
    assert weights.name in output


def test_fine_tuning_on_windows(wrn_on, tmp_path):
    """finetune with spawned data workers that skip a file, and with a head on cached features."""
    for split, number in (('train', 24), ('val', 4)):
        write_classes(tmp_path / 'звери' / split, CLASSES, number)
    (tmp_path / 'звери' / 'train' / 'bee' / 'broken.png').write_bytes(b'no image')
    given = ['finetune', 'звери', '--model', DIGITS]
    more = ['--epochs', 1, '--batch-size', 8, '--workers', 2, '--skip-unreadable']
    _, messages = wrn_on('windows', *given, *more)
    assert 'skipped 1 unreadable image, such as' in messages
    assert messages.count(LOST) == 1
    (weights,) = tmp_path.glob('work_dirs/звери/звери-*.pth')
    wrn_on('windows', 'predict', 'звери/val', '--model', weights, '--out', 'p.json')
    rows = json.loads((tmp_path / 'p.json').read_bytes())
    assert {row['predictions'][0]['pred_class'] for row in rows} <= {*CLASSES}
    more = ['--head-only', '--workers', 2, '--skip-unreadable', '--work-dir', 'head']
    wrn_on('windows', *given, *more)
    assert [*tmp_path.glob('head/*.pth')]


def test_jobs_on_macos(wrn_on, tmp_path):
    """predict, features, export, train, test and finetune, with spawned data workers."""
    for split, number in (('train', 16), ('val', 4)):
        write_classes(tmp_path / 'звери' / split, CLASSES, number)
    output, _ = wrn_on('macos', 'predict', 'звери/val', '--topk', 1)
    assert output.count('кошка') == 4
    wrn_on('macos', 'features', 'звери/val', '--model', DIGITS, '--pool', '--out', 'f.npy')
    assert np.load(tmp_path / 'f.npy').shape == (12, 192)
    wrn_on('macos', 'export', DIGITS, '--format', 'onnx', '--out', 'digits.onnx')
    output, _ = wrn_on('macos', 'predict', DEMO / 'digit_7.png', '--model', 'digits.onnx')
    assert re.search(r'digit_7\.png +7 ', output)
    once = ('--cfg-options', 'train_cfg.max_epochs=1')
    wrn_on('macos', 'train', DIGITS, '--workers', 2, '--work-dir', 'run', *once)
    assert (tmp_path / 'run' / 'epoch_1.pth').is_file()
    wrn_on('macos', 'test', DIGITS, '--workers', 2, '--out', 'p.csv')
    assert len((tmp_path / 'p.csv').read_bytes().splitlines()) == 356
    more = ['--model', DIGITS, '--epochs', 1, '--batch-size', 8, '--workers', 2]
    _, messages = wrn_on('macos', 'finetune', 'звери', *more)
    assert LOST not in messages
    assert [*tmp_path.glob('work_dirs/звери/звери-*.pth')]


def test_the_application_on_windows(start):
    port = free_port()
    server = start('windows', 'app', DIGITS, '--port', port)
    address = f'http://127.0.0.1:{port}'

    def answers():
        try:
            return urllib.request.urlopen(f'{address}/api/model', timeout=10).status == 200
        except OSError:
            return False

    wait_for(answers, lambda: server.poll() is None)
    body = (DEMO / 'digit_7.png').read_bytes()
    request = urllib.request.Request(f'{address}/api/predict', body, {'Content-Type': 'image/png'})
    with urllib.request.urlopen(request, timeout=60) as answer:
        (result,) = json.load(answer)['results']
    assert result['predictions'][0]['pred_class'] == '7'
    second = start('windows', 'app', DIGITS, '--port', port)
    _, messages = second.communicate(timeout=120)
    assert second.returncode == 1
    assert f'--port {port}: is in use' in messages
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=60)
    assert server.returncode == 130


def test_the_doctor_on_windows(start, monkeypatch):
    monkeypatch.setenv('PATH', '')  # no compiler: compiling takes a minute
    process = start('windows', 'doctor', '--offline', '--json')
    output, messages = process.communicate(timeout=300)
    assert 'Traceback' not in messages
    findings = json.loads(output)
    text = json.dumps(findings)
    assert '"cannot be examined"' not in text
    assert '"ends the process"' not in text
    assert 'onnxruntime' in text


def test_a_script_without_a_guard_on_macos(tmp_path):
    """Its data workers import it. Python then waits for them until it is interrupted."""
    call = f"wrn.train('{DIGITS}', epochs=1, workers=1)"
    (tmp_path / 'script.py').write_text(f'import wrn\n{call}\n')
    process = subprocess.Popen(
        [sys.executable, 'script.py'],
        env=environment('macos'),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    watchdog = threading.Timer(120, os.killpg, (process.pid, signal.SIGKILL))
    watchdog.start()
    said = next((line for line in process.stderr if 'errors.WrnError' in line), '')
    watchdog.cancel()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert 'script.py: on this system a data worker imports the script' in said
    assert "put the call below if __name__ == '__main__':" in said


@pytest.mark.parametrize(
    ('system', 'send', 'number', 'code', 'line'),
    [
        ('macos', os.killpg, signal.SIGTERM, 75, 'stopped by SIGTERM, which also ended the data'),
        ('macos', os.kill, signal.SIGTERM, 75, 'saved'),
        ('windows', os.killpg, signal.SIGINT, 130, 'run the same command again'),
    ],
)
def test_a_signal(start, tmp_path, system, send, number, code, line):
    """To all processes or the main one, while data workers are spawned, as in each epoch here."""
    settings = ['train_cfg.max_epochs=40', 'train_dataloader.persistent_workers=False']
    process = start(system, 'train', DIGITS, '--workers', 2, '--cfg-options', *settings)
    watchdog = threading.Timer(280, process.kill)
    watchdog.start()
    said = []
    for text in process.stderr:
        said.append(text)
        if ' 2/40 ' in text:
            threading.Timer(0.5, send, (process.pid, number)).start()
    process.wait()
    watchdog.cancel()
    assert process.returncode == code, ''.join(said)
    assert line in ''.join(said)
    assert bool([*tmp_path.rglob('stopped.pth')]) == (send is os.kill)
