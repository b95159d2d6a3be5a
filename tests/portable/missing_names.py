"""Names of Python's library that are missing on Windows or macOS, as its documentation says.

They are missing for this package alone. The libraries that it uses were built for Linux, and need
them there: subprocess forks, filelock imports fcntl.
"""

import builtins
import re
import sys
from importlib import import_module
from types import ModuleType

OURS = ('wrn', 'wrn_base')
MODULES = ('fcntl', 'grp', 'posix', 'pty', 'pwd', 'resource', 'syslog', 'termios', 'tty')

WINDOWS = {
    'os': (
        'EX_.*|F_.*|GRND_.*|POSIX_.*|P_(ALL|PID|PGID|PIDFD)|RTLD_.*|SCHED_.*|ST_.*|W[A-Z]{4,}|XATTR_.*|'
        'O_(ACCMODE|ASYNC|CLOEXEC|DIRECT|DIRECTORY|DSYNC|LARGEFILE|NDELAY|NOATIME|NOCTTY|NOFOLLOW|'
        'NONBLOCK|PATH|RSYNC|SYNC|TMPFILE)|chown|chroot|confstr.*|copy_file_range|ctermid|eventfd.*|'
        'f?pathconf.*|f?statvfs|fchdir|fchmod|fchown|fdatasync|fork|forkpty|fwalk|'
        'get(egid|euid|gid|groups|grouplist|loadavg|pgid|pgrp|priority|random|resgid|resuid|sid|uid)|'
        'get_blocking|getxattr|initgroups|killpg|lchown|listxattr|lockf|major|makedev|memfd_create|'
        'minor|mkfifo|mknod|nice|openpty|pidfd_open|pipe2|posix_.*|pread|preadv|pwrite|pwritev|readv|'
        'register_at_fork|removexattr|sched_.*|sendfile|set_blocking|setxattr|splice|sync|sysconf.*|'
        'set(egid|euid|gid|groups|pgid|priority|regid|resgid|resuid|reuid|sid|uid)|spawn[lv]pe?|'
        'tcgetpgrp|tcsetpgrp|ttyname|uname|wait|wait3|wait4|waitid|writev'
    ),
    'signal': (
        '(?!(_.*|SIG(ABRT|FPE|ILL|INT|SEGV|TERM|_DFL|_IGN)|Handlers|Signals|NSIG|signal|getsignal|'
        'default_int_handler|raise_signal|set_wakeup_fd|strsignal|valid_signals)$).*'
    ),
    'select': 'e?poll|EPOLL.*|POLL.*',
    'time': 'clock_.*|pthread_.*|tzset|CLOCK_.*',
    'multiprocessing.reduction': 'DupFd|recvfds|sendfds',
}
MACOS = {
    'os': (
        'GRND_.*|O_(DIRECT|LARGEFILE|NOATIME|PATH|RSYNC|TMPFILE)|SCHED_(BATCH|IDLE)|XATTR_.*|'
        'copy_file_range|eventfd.*|fdatasync|get(random|resgid|resuid|xattr)|listxattr|memfd_create|'
        'pidfd_open|pipe2|posix_(fadvise|fallocate)|removexattr|setres[gu]id|setxattr|splice|'
        'sched_(get|set)(affinity|param|scheduler)'
    ),
    'signal': 'SIG(CLD|POLL|PWR|RTMAX|RTMIN|STKFLT)|sigtimedwait|sigwaitinfo',
    'select': 'epoll|EPOLL.*',
    'time': 'pthread_.*|CLOCK_(BOOTTIME|TAI)',
}
_frame = sys._getframe


def hide(system: str) -> None:
    """Hide the names that are missing on a system from this package."""
    for name, pattern in dict(windows=WINDOWS, macos=MACOS)[system].items():
        module = import_module(name)
        missing = frozenset(filter(re.compile(pattern).fullmatch, dir(module)))
        facts = {'name': 'nt'} if (name, system) == ('os', 'windows') else {}
        module.__class__ = _without(missing, facts)
    if system == 'windows':
        _forbid_imports()


def _is_ours() -> bool:
    """Return whether the caller's caller is code of this package."""
    name = _frame(2).f_globals.get('__name__') or ''
    return name.partition('.')[0] in OURS


def _without(missing: frozenset[str], facts: dict[str, str]) -> type[ModuleType]:
    class Incomplete(ModuleType):
        def __getattribute__(self, name):
            if name in missing and _is_ours():
                raise AttributeError(f'{self!r} has no {name!r} here', name=name, obj=self)
            if name in facts and _is_ours():
                return facts[name]
            return super().__getattribute__(name)

    return Incomplete


def _forbid_imports() -> None:
    real = builtins.__import__

    def import_unless_missing(name, *args, **kwargs):
        if name in MODULES and _is_ours():
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
        return real(name, *args, **kwargs)

    builtins.__import__ = import_unless_missing
