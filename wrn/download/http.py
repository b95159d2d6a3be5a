"""Download a file from one URL: resumed, retried, and verified before it gets its name."""

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
from wrn.utils.errors import DownloadError, WrnError, one_line
from wrn.utils.files import hash_file, report_write_errors
from wrn.version import __version__

_logger = logging.getLogger('wrn')
_MAX_FAILURES = 3  # in a row
_MIN_PROGRESS = 1 << 20  # bytes; an attempt that receives as many does not count as a failure
_PAUSE = 1.0  # seconds before the second attempt; twice that before the third
_TIMEOUT = 10.0  # seconds to connect, and to receive _MIN_BYTES
_MIN_BYTES = 100 << 10
_CHUNK = 1 << 16
_TITLES = {'sha256': 'SHA-256', 'md5': 'MD5'}
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}
_RANGE = re.compile(r'bytes (?:(\d+)-\d+|\*)/(\d+|\*)')


class _RetryError(Exception):
    """A temporary failure, such as a lost connection or a busy server."""


def download(
    url: str,
    target: Path,
    expected_hash: str | None,
    check: Callable[[Path], object] | None = None,
    algorithm: str = 'sha256',
    more_space: str = 'set TORCH_HOME to another folder',
) -> None:
    """Download a file, or wait for another process that downloads it.

    An incomplete download is kept as ``NAME.partial`` beside the target. The next download resumes
    it if the hash of the file is known. Proxies come from the environment (``https_proxy``).

    Args:
        url: The URL of the file.
        target: The path of the complete file.
        expected_hash: The first digits of the file's hash. None if it is unknown.
        check: Called with the path of the download if the hash is unknown. Raises a
            :class:`WrnError` if the content is wrong. Defaults to None.
        algorithm: The hash algorithm. Defaults to ``'sha256'``.
        more_space: Advice for a full disk, for messages. Defaults to that for torch hub's cache.

    Raises:
        DownloadError: If the file cannot be downloaded, or its hash is wrong.
        WrnError: If the file cannot be written.
    """
    partial = target.with_name(f'{target.name}.partial')
    with _lock(target, more_space):
        if target.is_file():
            return
        for _ in range(2):  # again if it resumed a part of an earlier version
            _transfer(url, partial, verifiable=expected_hash is not None)
            if expected_hash is None:
                _check(partial, check)
                break
            digest = hash_file(partial, algorithm)
            if digest.startswith(expected_hash):
                break
            partial.unlink()
        else:
            raise DownloadError(
                f'wrong {_TITLES[algorithm]} (begins with {digest[:8]}, expected {expected_hash})'
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
def _lock(target: Path, more_space: str) -> Iterator[None]:
    """Exclude other processes from the same download, and report errors of the file system."""
    lock = FileLock(target.with_name(f'.{target.name}.lock'))
    with report_write_errors(target, more_space):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            held = lock.acquire(timeout=0)
        except Timeout:
            _logger.warning('another process is downloading %s; waiting for it', target.name)
            held = lock.acquire()
        with held:
            yield


def _transfer(url: str, partial: Path, verifiable: bool) -> None:
    """Download the rest of a partial file, and retry as long as there is progress."""
    failures = 0
    validator: str | None = None
    if not verifiable:  # a part of an earlier version would not be detected
        partial.unlink(missing_ok=True)
    with show_progress(partial.name.removesuffix('.partial')) as show:
        while True:
            before = _size(partial)
            # The hash or the server detects a part of an earlier version.
            start = before if verifiable or validator else 0
            try:
                with _open(url, start, validator) as response:
                    now = _validator(response)
                    # Not every server that supports Range supports If-Range.
                    if response.status == 206 and validator and now and now != validator:
                        partial.unlink()
                        raise _RetryError('the file changed during the download')
                    validator = now or validator
                    _receive(response, partial, start, show)
                return
            except _RetryError as error:
                failures = 1 if _size(partial) - before >= _MIN_PROGRESS else failures + 1
                if failures == _MAX_FAILURES:
                    raise DownloadError(f'{error}, {_MAX_FAILURES} times in a row') from error
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
        request = urllib.request.Request(url, headers=headers)
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and start:  # the part is as long as the file, or longer
                yield error
                return
            reason = f'the server answered {error.code} {error.reason}'
        raise (_RetryError if error.code in _TEMPORARY else DownloadError)(reason) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failure(error) from error
    with response:
        yield response


def _failure(error: Exception) -> Exception:
    """Return a retryable error for a lost connection, a final one for an unreachable server."""
    reason: Any = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, http.client.InvalidURL):
        return DownloadError(f'not a valid URL ({reason})')
    if isinstance(reason, ConnectionResetError | http.client.HTTPException | BrokenPipeError):
        return _RetryError(f'the connection was lost ({reason or type(reason).__name__})')
    if isinstance(reason, socket.gaierror):
        return DownloadError(f'cannot resolve the host name (DNS: {reason.strerror})')
    if isinstance(reason, TimeoutError):
        return DownloadError(f'the server did not answer within {_TIMEOUT:g} s')
    if isinstance(reason, ssl.SSLError):
        return DownloadError(f'the TLS connection failed ({reason.reason or reason})')
    return DownloadError(f'cannot be reached ({one_line(reason)})')


def _receive(
    response: Any, partial: Path, start: int, show: Callable[[int, int | None], None]
) -> None:
    """Append the body of a response to a partial file."""
    begin, total = _extent(response)
    if response.status == 206 and begin != start:
        partial.unlink()
        raise _RetryError('the server sent a different range from the requested one')
    if response.status == 416:
        if total != start:
            partial.unlink()
            raise _RetryError('the file on the server is not as long as the partial download')
        return
    if response.status != 206:
        start = 0  # the server ignored the range and sends the whole file
    chunks = _chunks(response)
    first = next(chunks, b'')
    if start == 0 and first.lstrip()[:1] == b'<' and b'\0' not in first[:64]:
        raise DownloadError('the server sent a web page instead of the file')
    received = start
    with partial.open('ab' if start else 'wb') as file:
        for chunk in itertools.chain([first], chunks):
            file.write(chunk)
            received += len(chunk)
            show(received, total)
    if total is not None and received < total:
        raise _RetryError(f'the connection ended after {received} of {total} bytes')


def _extent(response: Any) -> tuple[int | None, int | None]:
    """Return the offset of a response, and the size of the whole file. Unknown values are None."""
    if response.status in (206, 416):
        match = _RANGE.match(response.headers.get('Content-Range', ''))
        begin, total = match.groups() if match else (None, None)
        return _number(begin), _number(total)
    return 0, _number(response.headers.get('Content-Length'))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _chunks(response: Any) -> Iterator[bytes]:
    """Yield the chunks of a body. Raise an error if the transfer is too slow."""
    since, amount = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            reason = 'stalled' if isinstance(error, TimeoutError) else 'was lost'
            raise _RetryError(f'the connection {reason}') from error
        if not chunk:
            return
        yield chunk
        amount += len(chunk)
        if time.monotonic() - since > _TIMEOUT:
            if amount < _MIN_BYTES:
                raise _RetryError(f'received only {amount} bytes in {_TIMEOUT:g} s')
            since, amount = time.monotonic(), 0


def _validator(response: Any) -> str | None:
    """Return an identifier of the version of the file, to resume the same version."""
    etag = response.headers.get('ETag', '')
    return etag if etag.startswith('"') else response.headers.get('Last-Modified')
