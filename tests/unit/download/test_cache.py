"""Several processes, the file system, the progress bar, and get_model."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from http_server import (
    CONTENT,
    DIGITS,
    FETCH,
    NAME,
    cut,
    delayed,
    get,
    once,
    reset,
    stalling,
    whole,
)

import wrn
from wrn.download import fetch
from wrn_base.errors import WrnError

# Several processes.


def start(url, errors=subprocess.DEVNULL):
    return subprocess.Popen([sys.executable, '-c', FETCH, url], stdout=-1, stderr=errors, text=True)


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@once
def test_two_processes_download_once(server, cache, tmp_path):
    server.answers = [delayed]
    logs = [tmp_path / 'a.log', tmp_path / 'b.log']
    with logs[0].open('w') as a, logs[1].open('w') as b:
        processes = [start(server.url(), a), start(server.url(), b)]

    def text():
        return ''.join(log.read_text() for log in logs)

    wait_until(lambda: 'another process' in text() or len(server.requests) > 1)
    server.go.set()
    for process in processes:
        printed = process.communicate()[0].splitlines()  # mmpretrain's fork prints a line first
        assert printed[-1] == str(cache / NAME), text()
    assert f'another process is downloading {NAME}; waiting for it' in text()
    assert len(server.requests) == 1
    assert (cache / NAME).read_bytes() == CONTENT


@once
def test_a_download_is_resumed_after_its_process_was_killed(server, cache):
    server.answers = [stalling(150_000), whole]
    partial = cache / f'{NAME}.partial'
    with start(server.url()) as process:
        # The process may have buffered the last bytes.
        wait_until(lambda: partial.exists() and partial.stat().st_size > 140_000)
        process.kill()
    kept = partial.stat().st_size
    assert get(server) == CONTENT
    assert server.ranges == [None, f'bytes={kept}-']


@once
def test_no_other_files_are_left(server, cache):
    get(server)
    left = [path for path in cache.iterdir() if path.suffix != '.lock' or path.stat().st_size]
    assert [path.name for path in left] == [NAME]


@once
def test_proxy_and_cache_from_the_environment(server, tmp_path, run, monkeypatch):
    monkeypatch.setenv('http_proxy', server.url(''))
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'elsewhere'))
    url = f'http://weights.invalid/{NAME}'
    path = run('python', '-c', FETCH, url).stdout.splitlines()[-1]
    assert path == str(tmp_path / 'elsewhere' / 'hub' / 'checkpoints' / NAME)
    assert Path(path).read_bytes() == CONTENT
    assert server.paths == [url]


# The file system.


@once
def test_an_unwritable_cache(server, tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    # Not even root can create a folder in a file.
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'file'))
    with pytest.raises(WrnError) as error:
        fetch([server.url(f'a/{NAME}'), server.url(f'b/{NAME}')], 'weights')
    message = str(error.value)
    assert message.startswith(f'{tmp_path / "file"}')
    assert 'cannot be written (Not a directory)' in message
    assert 'TORCH_HOME' in message
    assert message.count('cannot be written') == 1
    assert server.requests == []


@once
@pytest.mark.skipif(not Path('/dev/full').exists(), reason='needs /dev/full')
def test_a_full_disk(server, cache, partial):
    partial.symlink_to('/dev/full')
    with pytest.raises(WrnError) as error:
        fetch([server.url(f'a/{NAME}'), server.url(f'b/{NAME}')], 'weights')
    assert 'cannot be written (No space left on device); free space, or' in str(error.value)
    assert server.paths == [f'/a/{NAME}']  # another URL would not help
    assert not (cache / NAME).exists()


# The progress bar, and get_model.


@once
def test_the_progress_bar(server, capsys, digits_weights):
    server.content = Path(digits_weights).read_bytes()
    get(server, Path(digits_weights).name)
    captured = capsys.readouterr()
    assert f'downloading {Path(digits_weights).name}' in captured.err
    assert captured.out == ''


@once
def test_the_progress_bar_shows_the_size(server, capsys, digits_weights):
    server.content = Path(digits_weights).read_bytes()
    get(server, Path(digits_weights).name)
    assert '2.8/2.8 MB' in capsys.readouterr().err  # in 80 columns


@once
def test_get_model(server, digits_weights):
    server.content = Path(digits_weights).read_bytes()
    server.answers = [reset(500_000), cut(500_000), whole]
    model = wrn.get_model(DIGITS, pretrained=server.url(Path(digits_weights).name))
    expected = wrn.get_model(DIGITS, pretrained=True).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())
    assert len(server.requests) == 3


@once
def test_get_model_after_a_permanent_failure(server, digits_weights, cache):
    server.content = Path(digits_weights).read_bytes()
    server.answers = [cut(1000)]
    with pytest.raises(WrnError, match=r'cannot be downloaded .* 3 times in a row'):
        wrn.get_model(DIGITS, pretrained=server.url(Path(digits_weights).name))
    assert not (cache / Path(digits_weights).name).exists()
