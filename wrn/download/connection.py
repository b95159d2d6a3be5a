"""HTTP connections with limits of time, rate and size."""

import contextlib
import http.client
import io
import math
import socket
import time
import urllib.request
from functools import partial
from typing import Any, cast

from wrn_base.errors import DownloadError

TIMEOUT = 10.0  # seconds to connect, to receive the headers, and to receive MIN_BYTES of a body
MIN_BYTES = 100 << 10


class TooLargeError(DownloadError):
    """A body that is larger than allowed."""


class Deadline:
    """The end of a request, with all its redirects.

    Args:
        seconds: The time until then.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimeoutError: If there are none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f'not received within {self.seconds:g} s')
        return left


class _Reader(io.RawIOBase):
    """The bytes of a connection, with limits of time, rate and amount.

    The timeout of a socket ends a pause, but not a server that sends a byte every few seconds.
    """

    def __init__(self, file: io.BufferedReader, sock: socket.socket, deadline: Deadline) -> None:
        self._file, self._socket, self._deadline = file, sock, deadline
        self._window = time.monotonic() + TIMEOUT  # its end
        self._received = 0  # bytes in this window
        self._left = math.inf
        self._in_body = False

    def limit_body(self, max_bytes: int) -> None:
        """Begin to read the body."""
        self._in_body, self._received, self._left = True, 0, max_bytes
        self._window = time.monotonic() + TIMEOUT

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while True:
            left = self._window - time.monotonic()
            if left <= 0:
                self._next_window()
                continue
            self._socket.settimeout(min(left, self._deadline.left()))
            with contextlib.suppress(TimeoutError):
                received = self._socket.recv_into(buffer)
                break
        self._received += received
        self._left -= received
        if self._left < 0:
            raise TooLargeError('the server sends more bytes than allowed')
        return received

    def _next_window(self) -> None:
        if not self._in_body:
            raise TimeoutError(f'the server did not answer within {TIMEOUT:g} s')
        if self._received < MIN_BYTES:
            raise TimeoutError(f'received only {self._received} bytes in {TIMEOUT:g} s')
        self._received, self._window = 0, time.monotonic() + TIMEOUT


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.reader = _Reader(self.fp, sock, deadline)
        self.fp = io.BufferedReader(self.reader)


class ConnectionHandler(urllib.request.HTTPHandler):
    """Open URLs by connections with limits. The response has the ``reader`` of its bytes.

    Args:
        deadline: The end of all requests of the handler.
    """

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, request: urllib.request.Request) -> Any:
        """Open an ``http:`` URL."""
        return self._open(http.client.HTTPConnection, request)

    def https_open(self, request: urllib.request.Request) -> Any:
        """Open an ``https:`` URL."""
        return self._open(http.client.HTTPSConnection, request)

    def _open(self, kind: Any, request: urllib.request.Request) -> Any:
        def connect(host: str, **options: Any) -> http.client.HTTPConnection:
            opened = kind(host, **options)
            opened.response_class = partial(_Response, deadline=self._deadline)
            return opened

        request.timeout = min(TIMEOUT, self._deadline.left())
        return self.do_open(cast(Any, connect), request)

    https_request = urllib.request.HTTPHandler.http_request
