"""Two runs cannot write to one folder at the same time."""

import subprocess
import sys

import filelock
import pytest

from wrn.training import run_lock
from wrn.training.run_lock import lock_folder
from wrn_base.errors import WrnError

HOLD = """
import os, sys, time
from wrn.training.run_lock import lock_folder
with lock_folder(sys.argv[1]):
    if not os.fork():  # a data worker, which outlives a killed run
        time.sleep(4)
        os._exit(0)
    print('locked', flush=True)
    time.sleep(60)
"""


def test_a_killed_run_leaves_no_lock(tmp_path, monkeypatch):
    with subprocess.Popen(
        [sys.executable, '-c', HOLD, str(tmp_path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b'locked\n'
        with (
            pytest.raises(WrnError, match=r'.*: another run is writing to it; wait until'),
            lock_folder(tmp_path),
        ):
            pytest.fail('the folder is locked')
        holder.kill()
        monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')  # waits, if a worker has the lock
        with lock_folder(tmp_path):
            pass


def test_a_folder_is_free_after_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), lock_folder(tmp_path / 'new'):
        raise KeyboardInterrupt
    with lock_folder(tmp_path / 'new'):
        pass


def test_a_file_system_without_locks_is_reported(tmp_path, monkeypatch, caplog):
    class NoLock(filelock.FileLock):
        def acquire(self, *args, **kwargs):
            raise OSError(37, 'No locks available')

    monkeypatch.setattr(run_lock, 'FileLock', NoLock)
    with lock_folder(tmp_path):
        assert f'{tmp_path}: cannot be locked (No locks available); start no other' in caplog.text
