"""Download one file from one URL: resumed, retried, and verified before it gets its name."""

import contextlib
import http.client
import itertools
import logging
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wrn.download.progress_bar import show_progress
from wrn.utils.errors import DownloadError, WrnError
from wrn.utils.files import hash_file
from wrn.version import __version__

_LOGGER = logging.getLogger(__name__)
_TRIES = 3  # in a row that bring nothing new
_NEW = 1 << 20  # bytes that a try must bring to count as something new
_PAUSE = 1.0  # seconds before the second try; twice that before the third
_TIMEOUT = 10.0  # seconds to connect, and in which at least this many bytes must come
_LEAST = 100 << 10
_CHUNK = 1 << 16
_TITLES = {'sha256': 'SHA-256', 'md5': 'MD5'}
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}
_RANGE = re.compile(r'bytes (?:(\d+)-\d+|\*)/(\d+|\*)')


class _TryAgainError(Exception):
    """Something that may pass: a lost connection, a server that is busy."""


def download(
    url: str,
    target: Path,
    expected_hash: str | None,
    check: Callable[[Path], object] | None = None,
    algorithm: str = 'sha256',
    elsewhere: str = 'set TORCH_HOME to another folder',
) -> None:
    """Download a file, unless another process has done so meanwhile.

    What has come lies in ``NAME.partial`` beside the target, from which the next download goes
    on if the name of the file has a hash. A proxy is taken from the environment
    (``https_proxy``), as Python's ``urllib`` does.

    Args:
        url: Where the file is.
        target: Where to put it; gets its name when it is whole.
        expected_hash: What its hash begins with; None if that is not known.
        check: Called with the path of the file if its hash is not known. It raises a
            :class:`WrnError` if the file is not what it should be. Defaults to None.
        algorithm: That of the hash. Defaults to ``'sha256'``.
        elsewhere: How to have the file in another folder, for messages. Defaults to that of
            torch hub's cache.

    Raises:
        DownloadError: If the file cannot be had from there.
        WrnError: If it cannot be written.
    """
    partial = target.with_name(f'{target.name}.partial')
    with _lock(target, elsewhere):
        if target.is_file():
            return
        for last in (False, True):
            _transfer(url, partial, verifiable=expected_hash is not None)
            if expected_hash is None:
                _check(partial, check)
                break
            digest = hash_file(partial, algorithm)
            if digest.startswith(expected_hash):
                break
            partial.unlink()
            if last:
                raise DownloadError(
                    f'the {_TITLES[algorithm]} of what came begins with {digest[:8]}, not with '
                    f'{expected_hash}'
                )
        partial.replace(target)


def _check(partial: Path, check: Callable[[Path], object] | None) -> None:
    try:
        if check:
            check(partial)
    except WrnError as error:
        partial.unlink()
        raise DownloadError(str(error).removeprefix(f'{partial}: ')) from error


@contextlib.contextmanager
def _lock(target: Path, elsewhere: str) -> Iterator[None]:
    """Keep other processes from the same download; what the disk refuses is a mistake to tell."""
    lock = FileLock(target.with_name(f'.{target.name}.lock'))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _LOGGER.warning('another process downloads %s; waiting for it', target.name)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
    except OSError as error:
        raise WrnError(
            f'{target}: cannot be written ({error.strerror or error}); make room, or {elsewhere}'
        ) from error


def _transfer(url: str, partial: Path, verifiable: bool) -> None:
    """Bring the partial file to its full length, however often the connection is lost."""
    failures = 0
    validator: str | None = None
    if not verifiable:  # nothing would notice that it is part of another version
        partial.unlink(missing_ok=True)
    with show_progress(partial.name.removesuffix('.partial')) as show:
        while True:
            before = _size(partial)
            # A part of another version of the file would be noticed by its hash, or the server.
            start = before if verifiable or validator else 0
            try:
                with _open(url, start, validator) as response:
                    now = _validator(response)
                    # Not every server that continues a file knows If-Range.
                    if response.status == 206 and validator and now and now != validator:
                        partial.unlink()
                        raise _TryAgainError('the file has changed meanwhile')
                    validator = now or validator
                    _receive(response, partial, start, show)
                return
            except _TryAgainError as error:
                failures = 1 if _size(partial) - before >= _NEW else failures + 1
                if failures == _TRIES:
                    raise DownloadError(f'{error}, {_TRIES} times in a row') from error
                time.sleep(_PAUSE * failures)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextlib.contextmanager
def _open(url: str, start: int, validator: str | None) -> Iterator[Any]:
    headers = {'User-Agent': f'wrn/{__version__}', 'Accept-Encoding': 'identity'}
    if start:
        headers['Range'] = f'bytes={start}-'
        if validator:
            headers['If-Range'] = validator
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT
        )
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and start:  # the part is longer than the file, or just as long
                yield error
                return
            reason = f'the server answered {error.code} {error.reason}'
        raise (_TryAgainError if error.code in _TEMPORARY else DownloadError)(reason) from error
    except urllib.error.URLError as error:
        raise _failure(error.reason) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failure(error) from error
    with response:
        yield response


def _failure(reason: Any) -> Exception:
    """Tell apart what may pass at once from a server that is not there."""
    if isinstance(reason, http.client.InvalidURL):
        return DownloadError(f'is no URL ({reason})')
    if isinstance(reason, ConnectionResetError | http.client.HTTPException | BrokenPipeError):
        return _TryAgainError(f'the connection was lost ({reason or type(reason).__name__})')
    if isinstance(reason, socket.gaierror):
        return DownloadError(f'the name of the server is not known ({reason.strerror})')
    if isinstance(reason, TimeoutError):
        return DownloadError(f'the server does not answer within {_TIMEOUT:g} s')
    if isinstance(reason, ssl.SSLError):
        return DownloadError(f'the server cannot be trusted ({reason.reason or reason})')
    return DownloadError(f'cannot be reached ({getattr(reason, "strerror", None) or reason})')


def _receive(
    response: Any, partial: Path, start: int, show: Callable[[int, int | None], None]
) -> None:
    """Write what the server sends behind what there is."""
    begin, total = _extent(response)
    if response.status == 206 and begin != start:
        partial.unlink()
        raise _TryAgainError('the server sent another part of the file than was asked for')
    if response.status == 416:
        if total != start:
            partial.unlink()
            raise _TryAgainError('the server has a shorter file than was begun')
        return
    if response.status != 206:
        start = 0  # the server sends the whole file, whatever was asked for
    chunks = _chunks(response)
    first = next(chunks, b'')
    if start == 0 and first.lstrip()[:1] == b'<' and b'\0' not in first[:64]:
        raise DownloadError('the server sent a web page in place of the file')
    have = start
    with partial.open('ab' if start else 'wb') as file:
        for chunk in itertools.chain([first], chunks):
            file.write(chunk)
            have += len(chunk)
            show(have, total)
    if total is not None and have < total:
        raise _TryAgainError(f'the connection ended after {have} of {total} bytes')


def _extent(response: Any) -> tuple[int | None, int | None]:
    """Return where what is sent begins, and the length of the whole file, as the server says."""
    if response.status in (206, 416):
        match = _RANGE.match(response.headers.get('Content-Range', ''))
        begin, total = match.groups() if match else (None, None)
        return _number(begin), _number(total)
    return 0, _number(response.headers.get('Content-Length'))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _chunks(response: Any) -> Iterator[bytes]:
    """Yield what arrives, as long as enough does."""
    since, amount = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            reason = 'nothing more came' if isinstance(error, TimeoutError) else 'it was lost'
            raise _TryAgainError(f'the connection broke: {reason}') from error
        if not chunk:
            return
        yield chunk
        amount += len(chunk)
        if time.monotonic() - since > _TIMEOUT:
            if amount < _LEAST:
                raise _TryAgainError(f'only {amount} bytes came in {_TIMEOUT:g} s')
            since, amount = time.monotonic(), 0


def _validator(response: Any) -> str | None:
    """Return what names this version of the file, so that no part of another is joined to it."""
    etag = response.headers.get('ETag', '')
    return etag if etag.startswith('"') else response.headers.get('Last-Modified')
