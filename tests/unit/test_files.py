"""A file is written whole or not at all."""

import os
import stat

import pytest

from wrn.files import write_atomically


def test_writes_and_leaves_nothing_else(tmp_path):
    with write_atomically(tmp_path / 'x') as file:
        file.write(b'new')
        assert not (tmp_path / 'x').exists()
    assert (tmp_path / 'x').read_bytes() == b'new'
    assert os.listdir(tmp_path) == ['x']
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / 'x').stat().st_mode) == 0o666 & ~umask


def test_an_error_leaves_the_old_file(tmp_path):
    (tmp_path / 'x').write_bytes(b'old')

    def write_half():
        with write_atomically(tmp_path / 'x') as file:
            file.write(b'half')
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert (tmp_path / 'x').read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['x']
