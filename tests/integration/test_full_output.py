"""A full or closed output ends a command with one line or none, and not with success."""

import logging
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import start_wrn
from small_run import write_config, write_data

import wrn.cli.plot
import wrn.training
import wrn_base.cli
from wrn.config.config_errors import config_errors
from wrn.training import run_errors
from wrn_base.errors import WrnError

needs_full = pytest.mark.skipif(not Path('/dev/full').exists(), reason='needs /dev/full')


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a command with another standard output or standard error; return the process."""
    monkeypatch.chdir(tmp_path)
    write_data('.', 2)
    write_config('small.py', 'train_cfg["max_epochs"] = 1\n')

    def start(output, *words, error='stderr'):
        return start_wrn(list(words), (Path(output), Path(error)))

    return start


def errors(folder):
    lines = (folder / 'stderr').read_text().splitlines()
    # The processes of tests are started in another way, which mmengine warns of.
    assert not [line for line in lines if 'rror' in line and not line.startswith('wrn: ')]
    return [line for line in lines if line.startswith('wrn: error: ')]


@needs_full
@pytest.mark.parametrize(('option', 'name'), [([], 'output'), (['--verbose'], 'standard output')])
def test_runs_with_a_full_output(start, tmp_path, option, name):
    """The results cannot be written, or already the log on the screen."""
    for words in (['train', 'small.py'], ['test', 'small.py', 'good/epoch_1.pth']):
        process = start('/dev/full', *words, '--work-dir', 'full', *option)
        process.join(60)
        assert process.exitcode == 1
        (line,) = errors(tmp_path)
        assert line.startswith(f'wrn: error: {name}: No space left on device; ')
        start(tmp_path / 'stdout', 'train', 'small.py', '--work-dir', 'good').join(60)
    assert Path('full', 'epoch_1.pth').exists() == (not option)


@needs_full
def test_a_run_whose_progress_cannot_be_written(start, tmp_path):
    """It is complete all the same."""
    process = start('stdout', 'train', 'small.py', '--work-dir', 'run', error='/dev/full')
    process.join(60)
    assert process.exitcode == 0
    assert Path('stdout').read_text().startswith('last checkpoint: run/epoch_1.pth ')


def test_a_run_whose_output_nobody_reads(start, tmp_path):
    os.mkfifo('pipe')
    pipe = os.open('pipe', os.O_RDONLY | os.O_NONBLOCK)
    process = start('pipe', 'train', 'small.py', '--work-dir', 'run', '--verbose')
    assert select.select([pipe], [], [], 60)[0]
    os.close(pipe)
    process.join(60)
    assert process.exitcode == 141
    assert errors(tmp_path) == []


@needs_full
def test_a_log_file_on_a_full_disk_is_named():
    wrn.cli._show_messages()
    handler = logging.FileHandler('/dev/full')
    with (
        pytest.raises(WrnError, match=r'^/dev/full: No space left on device; the checkpoints are'),
        run_errors('train', 'work'),
        config_errors('small.py'),
    ):
        handler.emit(logging.makeLogRecord(dict(msg='x')))
    with pytest.raises(OSError, match='No space left'):
        handler.close()


def test_a_missing_checkpoint_is_no_failure_of_the_machine():
    """Its error is an OSError, too. There may be no checkpoint to resume from."""
    with (
        pytest.raises(WrnError, match=r'give the path of a checkpoint file$'),
        run_errors('train', 'work'),
    ):
        wrn.get_model('wide-resnet16-2_1xb64_digits', pretrained='missing.pth')


@needs_full
def test_another_file_on_a_full_disk_is_in_the_work_folder():
    for mode in ('train', 'test'):
        with (
            pytest.raises(WrnError, match=r'^work: No space left on device; '),
            run_errors(mode, 'work'),
            config_errors('small.py'),
            open('/dev/full', 'w', buffering=1) as file,
        ):
            file.write('x\n')


def test_other_errors_of_a_log_are_left_to_logging(capsys):
    wrn.cli._show_messages()
    logging.StreamHandler().emit(logging.makeLogRecord(dict(msg='%d', args=('x',))))
    assert 'Logging error' in capsys.readouterr().err


@needs_full
@pytest.mark.parametrize('words', [['--help'], ['--version'], ['export', '--help'], ['list']])
def test_help_on_a_full_output(start, tmp_path, words):
    process = start('/dev/full', *words)
    process.join(60)
    assert process.exitcode == 1
    text = (tmp_path / 'stderr').read_text()
    assert text == 'wrn: error: output: No space left on device; free space, or check it\n'


@pytest.mark.parametrize(('end', 'code'), [('None', 0), ('sys.exit(1)', 1)])
def test_an_interrupt_at_the_very_end_changes_nothing(end, code):
    script = (
        'import atexit, os, signal, sys\nfrom wrn_base import cli\n'
        f'cli.main = lambda: {end}\nsys.argv = ["wrn", "export"]\n'
        'signal.signal(signal.SIGINT, signal.default_int_handler)\n'
        'atexit.register(os.kill, os.getpid(), signal.SIGINT)\ncli.run_and_exit()'
    )
    ended = subprocess.run([sys.executable, '-W', 'ignore', '-c', script], capture_output=True)
    assert ended.returncode == code
    assert ended.stderr == b''


def test_an_interrupt_after_the_work(monkeypatch):
    monkeypatch.setattr(
        wrn.training, 'leave_distributed', lambda: signal.raise_signal(signal.SIGINT)
    )
    monkeypatch.setattr(sys, 'argv', ['wrn', 'plot', 'run'])
    monkeypatch.setattr('wrn.cli.plot.run', lambda args: None)
    with pytest.raises(SystemExit) as ended:
        wrn_base.cli.run_and_exit()
    assert ended.value.code == 130
