"""One HTTP request, with limits of time, rate and size. Downloads and images by URL use it."""

import base64
import contextlib
import http.client
import math
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

from wrn.download import connection
from wrn.download.connection import ConnectionHandler, Deadline, TooLargeError
from wrn_base.errors import DownloadError, one_line
from wrn_base.version import __version__

_CHUNK = 1 << 16
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}


class RetryError(Exception):
    """A temporary failure, such as a lost connection or a busy server."""


def get(url: str, max_bytes: int, seconds: float) -> bytes:
    """Return the content of a URL.

    Args:
        url: The URL.
        max_bytes: The maximum size of the content.
        seconds: The maximum time to receive it, with all redirects.

    Raises:
        DownloadError: If the content is unavailable, incomplete, too large or too slow.
    """
    try:
        with open_url(url, {}, max_bytes, seconds) as response:
            content = b''.join(read_chunks(response))
            if response.length:
                raise DownloadError(f'the connection ended {response.length} bytes too early')
            return content
    except RetryError as error:
        raise DownloadError(str(error)) from error


@contextlib.contextmanager
def open_url(
    url: str,
    headers: Mapping[str, str],
    max_bytes: int,
    seconds: float = math.inf,
    allow_downgrade: bool = True,
) -> Iterator[Any]:
    """Open a URL. Proxies come from the environment.

    Args:
        url: The URL, with ``USER:PASSWORD@`` before the host if the server asks for them.
        headers: Headers of the request. With ``Range``, the status may be 206 or 416.
        max_bytes: The maximum size of the body.
        seconds: The maximum time to receive the body, with all redirects. Defaults to no limit
            besides the rate.
        allow_downgrade: Whether HTTPS may redirect to plain HTTP. Defaults to True.

    Yields:
        The response, to be read by :func:`read_chunks`.

    Raises:
        DownloadError: If the server is unreachable, or answers anything else.
        RetryError: If another attempt may succeed.
    """
    deadline = Deadline(seconds)
    try:
        response = _opener(allow_downgrade, deadline).open(_request(url, headers))
    except DownloadError:
        raise
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            if error.code == 416 and 'Range' in headers:
                yield error
                return
        raise _refusal(error.code) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failure(error, deadline) from error
    with response:
        if response.status != 200 and not (response.status == 206 and 'Range' in headers):
            raise _refusal(response.status)
        if (encoding := response.headers.get('Content-Encoding', 'identity')) != 'identity':
            raise DownloadError(f'the server sent a compressed answer ({encoding!r:.30})')
        if response.length and response.length > max_bytes:
            raise TooLargeError(f'the server sends more than the {max_bytes} bytes allowed')
        response.reader.limit_body(max_bytes)
        yield response


def read_chunks(response: Any) -> Iterator[bytes]:
    """Yield the chunks of a body.

    Raises:
        DownloadError: If the body is too large.
        RetryError: If the connection is lost or too slow.
    """
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except TimeoutError as error:
            raise RetryError(str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise RetryError('the connection was lost') from error
        if not chunk:
            return
        yield chunk


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, allow_downgrade: bool) -> None:
        self._allow_downgrade = allow_downgrade

    def redirect_request(
        self, request: Any, response: Any, code: int, reason: str, headers: Any, url: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(url).scheme
        if scheme not in ('http', 'https'):
            raise DownloadError(f'the server redirects to {scheme}:, not to a web server')
        if request.type == 'https' and scheme == 'http' and not self._allow_downgrade:
            raise DownloadError('the server redirects from HTTPS to plain HTTP')
        response.close()  # urllib would read its body, of any length
        url, account = _split_account(url)
        redirected = super().redirect_request(request, response, code, reason, headers, url)
        return redirected and _authorize(redirected, account)


def _opener(allow_downgrade: bool, deadline: Deadline) -> urllib.request.OpenerDirector:
    """Return an opener for HTTP alone. urllib's own one opens ``file:`` and ``ftp:``, too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(allow_downgrade),
        ConnectionHandler(deadline),
    ):
        opener.add_handler(handler)
    return opener


def _request(url: str, headers: Mapping[str, str]) -> urllib.request.Request:
    url, account = _split_account(url)
    own = {'User-Agent': f'wrn/{__version__}', 'Accept-Encoding': 'identity'}
    return _authorize(urllib.request.Request(url, headers={**own, **headers}), account)


def _split_account(url: str) -> tuple[str, str]:
    """Return a URL without ``USER:PASSWORD@``, and these."""
    parts = urlsplit(url)
    account, _, host = parts.netloc.rpartition('@')
    return urlunsplit(parts._replace(netloc=host)), account


def _authorize(request: urllib.request.Request, account: str) -> urllib.request.Request:
    if account:
        word = base64.b64encode(unquote_to_bytes(account)).decode()
        request.add_unredirected_header('Authorization', f'Basic {word}')
    return request


def _refusal(status: int) -> Exception:
    """Return the error of a status. The server's own text is not repeated."""
    answer = f'the server answered {status} {http.client.responses.get(status, "")}'.rstrip()
    if status == 206:
        answer += ', which was not asked for'
    if 300 <= status < 400:
        answer += ', a redirect to no other web address, or in a circle'
    return (RetryError if status in _TEMPORARY else DownloadError)(answer)


def _failure(error: Exception, deadline: Deadline) -> Exception:
    """Return a retryable error for a lost connection, a final one for an unreachable server."""
    reason: Any = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ConnectionResetError | BrokenPipeError | http.client.IncompleteRead):
        return RetryError('the connection was lost')
    if isinstance(reason, http.client.InvalidURL):
        return DownloadError(f'not a valid URL ({one_line(reason)})')
    if isinstance(reason, http.client.HTTPException):
        return DownloadError(f'the answer is not valid HTTP ({type(reason).__name__})')
    if isinstance(reason, socket.gaierror):
        return DownloadError(f'cannot resolve the host name (DNS: {reason.strerror})')
    if isinstance(reason, TimeoutError):
        try:
            deadline.left()
        except TimeoutError as late:
            return DownloadError(str(late))
        return DownloadError(f'the server did not answer within {connection.TIMEOUT:g} s')
    if isinstance(reason, ssl.SSLError):
        return DownloadError(f'the TLS connection failed ({reason.reason or reason})')
    if isinstance(reason, OSError):
        return DownloadError(f'cannot be reached ({one_line(reason)})')
    return DownloadError(f'not a valid URL, or a redirect to none ({one_line(error)})')
