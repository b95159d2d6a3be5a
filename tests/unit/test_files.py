"""Files are written completely or not at all."""

import os
import socket
import stat
import subprocess
import sys

import pytest

from wrn.utils.files import replace_together, write_atomically
from wrn.utils.pipes import reserve
from wrn_base.errors import WrnError


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


def test_the_next_writer_removes_what_a_killed_one_has_left(tmp_path):
    code = (
        'import os, sys\nfrom wrn.utils.files import replace_together, write_atomically as w\n'
        'with w(sys.argv[1]) as f:\n    f.write(b"half")\n    f.flush()\n    os._exit(9)'
    )
    (tmp_path / 'x').write_bytes(b'old')
    killed = subprocess.run([sys.executable, '-c', code, str(tmp_path / 'x')], check=False)
    assert killed.returncode == 9
    assert (tmp_path / 'x').read_bytes() == b'old'
    assert len(os.listdir(tmp_path)) == 2
    with write_atomically(tmp_path / 'y') as file:
        file.write(b'new')
    assert sorted(os.listdir(tmp_path)) == ['x', 'y']


def test_two_writers_of_one_file(tmp_path):
    with write_atomically(tmp_path / 'x') as first:
        first.write(b'first')
        with write_atomically(tmp_path / 'x') as second:
            second.write(b'second')
        assert (tmp_path / 'x').read_bytes() == b'second'
    assert (tmp_path / 'x').read_bytes() == b'first'
    assert os.listdir(tmp_path) == ['x']


def test_files_are_replaced_together(tmp_path):
    new, old = [[tmp_path / f'{age}.{part}' for part in ('bin', 'xml')] for age in ('new', 'old')]
    for file in (*new, old[0]):
        file.write_text(file.stem)
    old[1].mkdir()  # it cannot be replaced
    with pytest.raises(OSError, match='Is a directory'):
        replace_together(new, old)
    assert old[0].read_text() == 'old'
    old[1].rmdir()
    new[0].write_text('new')
    replace_together(new, old)
    assert [file.read_text() for file in old] == ['new', 'new']


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
    code = 'from wrn.utils.files import replace_together, write_atomically as w\nwith w("/dev/stdout") as f: f.write(b"new")'
    with (tmp_path / 'x').open('ab') as file:
        file.write(b'old ')
        file.flush()
        subprocess.run([sys.executable, '-c', code], check=True, stdout=file)
    text = (tmp_path / 'x').read_bytes()  # mmpretrain's fork prints a line between
    assert text.startswith(b'old ')
    assert text.count(b'new') == 1


def test_a_pipe_or_socket_without_a_reader_is_refused(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / 'socket'))
        for name in ('pipe', 'socket'):
            with pytest.raises(OSError, match='a pipe without a reader, or a socket'):
                reserve(tmp_path / name)
            with (
                pytest.raises(WrnError, match=f'{name}: cannot be written .a pipe without a'),
                write_atomically(tmp_path / name),
            ):
                pass
    assert (tmp_path / 'pipe').is_fifo()


@pytest.mark.parametrize('reserved', [False, True])
def test_a_pipe_with_a_slow_reader_gets_everything(tmp_path, reserved):
    os.mkfifo(tmp_path / 'pipe')
    command = 'from time import sleep; import sys; sleep(1); print(len(sys.stdin.buffer.read()))'
    pipe = os.open(tmp_path / 'pipe', os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(pipe, True)
    with subprocess.Popen(
        [sys.executable, '-c', command], stdin=pipe, stdout=subprocess.PIPE
    ) as reader:
        if reserved:
            reserve(tmp_path / 'pipe')
        with write_atomically(tmp_path / 'pipe') as file:
            file.write(bytes(1 << 20))
        assert reader.communicate(timeout=60)[0] == b'1048576\n'
    os.close(pipe)


@pytest.mark.parametrize('path', ['', '/dev/null/none/x'])
def test_an_unwritable_path(tmp_path, path):
    with pytest.raises(WrnError, match='cannot be written'), write_atomically(tmp_path / path):
        pass


def test_a_name_that_is_too_long(tmp_path):
    message = r'\(File name too long\); choose a shorter name$'
    with pytest.raises(WrnError, match=message), write_atomically(tmp_path / ('x' * 300)):
        pass
