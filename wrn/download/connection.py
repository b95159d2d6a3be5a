"""HTTP connections with limits of time, rate and size."""

import contextlib
import http.client
import io
import math
import socket
import time
import urllib.request
from typing import Any

from wrn.utils.errors import DownloadError

TIMEOUT = 10.0  # seconds to connect, to receive the headers, and to receive MIN_BYTES of a body
MIN_BYTES = 100 << 10


class TooLargeError(DownloadError):
    """A body that is larger than allowed."""


class _Reader(io.RawIOBase):
    """The bytes of a connection, with limits of time, rate and amount.

    The timeout of a socket ends a pause, but not a server that sends a byte every few seconds.
    """

    def __init__(self, file: io.BufferedReader, sock: socket.socket) -> None:
        self._file, self._socket = file, sock
        self._window = time.monotonic() + TIMEOUT  # its end
        self._received = 0  # bytes in this window
        self._end = self._left = math.inf
        self._in_body = False

    def limit_body(self, max_bytes: int, seconds: float) -> None:
        """Begin to read the body."""
        now = time.monotonic()
        self._in_body, self._received, self._window = True, 0, now + TIMEOUT
        self._left, self._end, self._seconds = max_bytes, now + seconds, seconds

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while True:
            left = min(self._window, self._end) - time.monotonic()
            if left <= 0:
                self._next_window()
                continue
            self._socket.settimeout(left)
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
        if time.monotonic() >= self._end:
            raise TimeoutError(f'not received within {self._seconds:g} s')
        if self._received < MIN_BYTES:
            raise TimeoutError(f'received only {self._received} bytes in {TIMEOUT:g} s')
        self._received, self._window = 0, time.monotonic() + TIMEOUT


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.reader = _Reader(self.fp, sock)
        self.fp = io.BufferedReader(self.reader)


class _Connection(http.client.HTTPConnection):
    response_class = _Response


class _SecureConnection(http.client.HTTPSConnection):
    response_class = _Response


class ConnectionHandler(urllib.request.HTTPHandler):
    """Open URLs by connections with limits. The response has the ``reader`` of its bytes."""

    def http_open(self, request: urllib.request.Request) -> Any:
        """Open an ``http:`` URL."""
        return self.do_open(_Connection, request)

    def https_open(self, request: urllib.request.Request) -> Any:
        """Open an ``https:`` URL."""
        return self.do_open(_SecureConnection, request)

    https_request = urllib.request.HTTPHandler.http_request
