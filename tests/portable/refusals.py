"""What Windows refuses to do with files, for all code, and the start of processes there."""

import builtins
import errno
import functools
import io
import multiprocessing
import os
import platform
import re
import shutil
import signal
import sys

_FORBIDDEN = re.compile(
    r'.*[<>:"|?*\x00-\x1f].*|.*[^.][. ]|(con|prn|aux|nul|com\d|lpt\d)(\..*)?', re.I | re.DOTALL
)
_BETWEEN = (__name__, 'pathlib')
_frame = sys._getframe
_open = open


def spawn_processes(system: str) -> None:
    """Start processes of multiprocessing as Windows and macOS do by default."""
    methods = ['spawn'] if system == 'windows' else ['spawn', 'fork', 'forkserver']
    multiprocessing.set_start_method('spawn')
    multiprocessing.get_all_start_methods = lambda: methods
    if system == 'windows':
        _before(platform, 'system', lambda: None, _name_for_mmengine)


def refuse() -> None:
    """Refuse what Windows refuses: folders that are opened, open files that are removed, names."""
    _before(os, 'open', _check_open_flags)
    _before(os, 'mkdir', lambda path, *_, **__: _check_name(path))
    _before(os, 'replace', _check_replace)
    _before(os, 'rename', _check_rename)
    _before(os, 'unlink', lambda path, **_: _check_unused(path))
    _before(os, 'remove', lambda path, **_: _check_unused(path))
    _before(os, 'symlink', _refuse_links)
    shutil._use_fd_functions = False  # which opens folders
    os.kill = functools.wraps(os.kill)(_kill_at_once(os.kill))
    builtins.open = io.open = _open_as_on_windows
    for name in ('stdout', 'stderr'):
        stream = getattr(sys, name)
        if stream is not None and not stream.isatty():
            stream.reconfigure(encoding='cp1252', newline='\r\n')


def _before(module, name, check, change=lambda result: result) -> None:
    """Call a check with the arguments of a function, and then the function."""
    function = getattr(module, name)

    @functools.wraps(function)
    def checked(*args, **kwargs):
        check(*args, **kwargs)
        return change(function(*args, **kwargs))

    setattr(module, name, checked)


def _name_for_mmengine(name: str) -> str:
    """Return what mmengine gets before it decides that processes are forked."""
    return 'Windows' if _find_caller() == 'mmengine.utils.dl_utils.setup_env' else name


def _find_caller() -> str:
    """Return the module whose code called one of the functions that this one replaces."""
    frame = _frame(1)
    while (name := frame.f_globals.get('__name__') or '').partition('.')[0] in _BETWEEN:
        frame = frame.f_back
    return name


def _open_as_on_windows(
    file, mode='r', buffering=-1, encoding=None, errors=None, newline=None, **more
):
    """Open no folder, and text files in cp1252 with CRLF, unless the caller says otherwise."""
    writes = bool({*mode} & {*'awx'})
    if not isinstance(file, int) and not more.get('opener'):
        _check_no_folder(file)
        if writes:
            _check_name(file)
    if 'b' not in mode:
        encoding = 'cp1252' if encoding in (None, 'locale') else encoding
        newline = '\r\n' if newline is None and writes and '+' not in mode else newline
    return _open(file, mode, buffering, encoding, errors, newline, **more)


def _check_open_flags(path, flags, *_, **__) -> None:
    _check_no_folder(path)
    if flags & os.O_CREAT:
        _check_name(path)


def _check_no_folder(path) -> None:
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, 'Permission denied', path)


def _check_name(path) -> None:
    name = os.path.basename(os.fsdecode(path))
    if _FORBIDDEN.fullmatch(name):
        raise OSError(errno.EINVAL, 'The filename or directory name is incorrect', path)


def _check_replace(source, target, **_) -> None:
    _check_name(target)
    for path in (source, target):
        _check_unused(path)


def _check_rename(source, target, **_) -> None:
    _check_replace(source, target)
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, 'Cannot create a file when it exists', source)


def _check_unused(path) -> None:
    """Refuse to remove a file that this process has open or mapped, but for temporary files."""
    # On Windows, tempfile lets files be deleted when they are closed, and filelock does otherwise.
    if _find_caller().partition('.')[0] in ('tempfile', 'filelock'):
        return
    path = os.fsdecode(path)
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    used = set()
    for descriptor in os.listdir('/proc/self/fd'):
        try:
            used.add(os.readlink(f'/proc/self/fd/{descriptor}'))
        except OSError:  # that of the list, which is closed
            continue
    with _open('/proc/self/maps', errors='surrogateescape') as maps:
        used.update(line.rstrip('\n').split(maxsplit=5)[-1] for line in maps)
    if real in used:
        raise PermissionError(errno.EACCES, 'The file is used by another process', path)


def _refuse_links(source, target, *_, **__) -> None:
    raise OSError(errno.EPERM, 'A required privilege is not held by the client', source)


def _kill_at_once(kill):
    """Return ``os.kill`` of Windows, which ends a process without a signal that it could handle."""
    return lambda pid, number: kill(pid, signal.SIGKILL if number else 0)
