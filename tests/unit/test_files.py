"""Files are written completely or not at all."""

import os
import stat
import subprocess
import sys

import pytest

from wrn.utils.errors import WrnError
from wrn.utils.files import write_atomically, write_with_hash


def test_no_other_file_is_left(tmp_path):
    with write_atomically(tmp_path / 'x') as file:
        file.write(b'new')
        assert not (tmp_path / 'x').exists()
    assert (tmp_path / 'x').read_bytes() == b'new'
    assert os.listdir(tmp_path) == ['x']
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / 'x').stat().st_mode) == 0o666 & ~umask


def test_an_error_keeps_the_old_file(tmp_path):
    (tmp_path / 'x').write_bytes(b'old')

    def write_half():
        with write_atomically(tmp_path / 'x') as file:
            file.write(b'half')
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert (tmp_path / 'x').read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['x']


def test_an_incomplete_file_of_a_process_with_the_same_id(tmp_path):
    """A killed process leaves one, and in a container its id is the same at each start."""
    killed = write_atomically(tmp_path / 'x')
    killed.__enter__().write(b'half')
    with write_atomically(tmp_path / 'x') as file:
        file.write(b'new')
    assert (tmp_path / 'x').read_bytes() == b'new'

    def write_meanwhile(path):
        path.write_bytes(b'half')
        done = write_with_hash(tmp_path, 'y', '.pth', lambda path: path.write_bytes(b'new'))
        assert done.read_bytes() == b'new'

    write_with_hash(tmp_path, 'y', '.pth', write_meanwhile)


def test_a_symbolic_link_is_followed(tmp_path):
    (tmp_path / 'target').write_bytes(b'old')
    (tmp_path / 'link').symlink_to('target')
    with write_atomically(tmp_path / 'link') as file:
        file.write(b'new')
    assert (tmp_path / 'link').is_symlink()
    assert (tmp_path / 'target').read_bytes() == b'new'


def test_a_device():
    with write_atomically('/dev/null') as file:
        file.write(b'new')
    assert not os.path.isfile('/dev/null')


def test_a_redirected_output_keeps_its_content(tmp_path):
    code = 'from wrn.utils.files import write_atomically as w\nwith w("/dev/stdout") as f: f.write(b"new")'
    with (tmp_path / 'x').open('ab') as file:
        file.write(b'old ')
        file.flush()
        subprocess.run([sys.executable, '-c', code], check=True, stdout=file)
    text = (tmp_path / 'x').read_bytes()  # mmpretrain's fork prints a line between
    assert text.startswith(b'old ')
    assert text.count(b'new') == 1


@pytest.mark.parametrize('path', ['', 'none/x'])
def test_an_unwritable_path(tmp_path, path):
    with pytest.raises(WrnError, match='cannot be written'), write_atomically(tmp_path / path):
        pass
