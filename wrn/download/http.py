"""Download a file from one URL: resumed, retried, and verified before it gets its name."""

import contextlib
import itertools
import logging
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wrn.download.connection import TooLargeError
from wrn.download.http_client import RetryError, open_url, read_chunks
from wrn.download.progress_bar import show_progress
from wrn.utils.files import hash_file, report_write_errors
from wrn_base.errors import DownloadError, WrnError

_logger = logging.getLogger('wrn')
_MAX_FAILURES = 3  # in a row
_MIN_PROGRESS = 1 << 20  # bytes; an attempt that receives as many does not count as a failure
_PAUSE = 1.0  # seconds before the second attempt; twice that before the third
_MAX_BYTES = 16 << 30  # of a file; a training checkpoint of WRN-70-16 has 4 GB
_MAX_UNANNOUNCED = 4 << 30  # if the server does not announce the size
_TITLES = {'sha256': 'SHA-256', 'md5': 'MD5'}
_RANGE = re.compile(r'bytes (?:(\d+)-\d+|\*)/(\d+|\*)')


def download(
    url: str,
    target: Path,
    expected_hash: str | None,
    check: Callable[[Path], object] | None = None,
    algorithm: str = 'sha256',
    more_space: str = 'set TORCH_HOME to another folder',
    allow_downgrade: bool = True,
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
        allow_downgrade: As for :func:`wrn.download.http_client.open_url`. Defaults to True.

    Raises:
        DownloadError: If the file cannot be downloaded, or its hash is wrong.
        WrnError: If the file cannot be written.
    """
    partial = target.with_name(f'{target.name}.partial')
    with _lock(target, more_space):
        if target.is_file():
            return
        if expected_hash is None:
            # Nothing would detect that a later download resumes another version.
            with contextlib.ExitStack() as stack:
                stack.callback(partial.unlink, missing_ok=True)
                partial.unlink(missing_ok=True)
                _transfer(url, partial, False, allow_downgrade)
                _check(partial, check)
                partial.replace(target)
            return
        for _ in range(2):  # again if it resumed a damaged part, or one of an earlier version
            _transfer(url, partial, True, allow_downgrade)
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


def _transfer(url: str, partial: Path, verifiable: bool, allow_downgrade: bool) -> None:
    """Download the rest of a partial file, and retry as long as there is progress."""
    failures = 0
    longest = _size(partial)
    validator: str | None = None
    with show_progress(partial.name.removesuffix('.partial')) as show:
        while True:
            # The hash or the server detects a part of an earlier version.
            start = _size(partial) if verifiable or validator else 0
            try:
                with _open(url, start, validator, allow_downgrade) as response:
                    now = _validator(response)
                    # Not every server that supports Range supports If-Range.
                    if response.status == 206 and validator and now and now != validator:
                        partial.unlink()
                        raise RetryError('the file changed during the download')
                    validator = now or validator
                    _receive(response, partial, start, show)
                return
            except RetryError as error:
                # Not progress since the last attempt: a server could send the same part forever.
                progress = _size(partial) - longest
                longest += max(progress, 0)
                failures = 1 if progress >= _MIN_PROGRESS else failures + 1
                if failures == _MAX_FAILURES:
                    raise DownloadError(f'{error}, {_MAX_FAILURES} times in a row') from error
                time.sleep(_PAUSE * failures)
            except TooLargeError:
                partial.unlink(missing_ok=True)
                raise


def _open(
    url: str, start: int, validator: str | None, allow_downgrade: bool
) -> contextlib.AbstractContextManager[Any]:
    headers = {'Range': f'bytes={start}-'} if start else {}
    if start and validator:
        headers['If-Range'] = validator
    limit = max(_MAX_BYTES - start, 0)
    return open_url(url, headers, limit, allow_downgrade=allow_downgrade)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _receive(
    response: Any, partial: Path, start: int, show: Callable[[int, int | None], None]
) -> None:
    """Append the body of a response to a partial file."""
    begin, total = _extent(response)
    if response.status == 206 and begin != start:
        partial.unlink(missing_ok=True)
        raise RetryError('the server sent a different range from the requested one')
    if response.status == 416:
        if total != start:
            partial.unlink(missing_ok=True)
            raise RetryError('the file on the server is not as long as the partial download')
        return
    if response.status != 206:
        start = 0  # the server ignored the range and sends the whole file
    chunks = read_chunks(response)
    first = next(chunks, b'')
    if start == 0 and first.lstrip()[:1] == b'<' and b'\0' not in first[:64]:
        raise DownloadError('the server sent a web page instead of the file')
    received = start
    with partial.open('ab' if start else 'wb') as file:
        for chunk in itertools.chain([first], chunks):
            file.write(chunk)
            received += len(chunk)
            show(received, total)
            if total is None and received > _MAX_UNANNOUNCED:
                raise TooLargeError(f'the server sends more than {_MAX_UNANNOUNCED} bytes')
    if not received and not total:
        raise DownloadError('the server sent an empty file')
    if total is not None and received < total:
        raise RetryError(f'the connection ended after {received} of {total} bytes')


def _extent(response: Any) -> tuple[int | None, int | None]:
    """Return the offset of a response, and the size of the whole file. Unknown values are None."""
    if response.status in (206, 416):
        match = _RANGE.match(response.headers.get('Content-Range', ''))
        begin, total = match.groups() if match else (None, None)
        return _number(begin), _number(total)
    return 0, _number(response.headers.get('Content-Length'))


def _number(text: str | None) -> int | None:
    # Python refuses to read more than 4300 digits.
    return int(text) if text and text.isdecimal() and len(text) < 20 else None


def _validator(response: Any) -> str | None:
    """Return an identifier of the version of the file, to resume the same version."""
    etag = response.headers.get('ETag', '')
    return etag if etag.startswith('"') else response.headers.get('Last-Modified')
