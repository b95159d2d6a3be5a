"""Serve the application."""

import errno
import logging
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI

from wrn_base.errors import WrnError, one_line

_FINISH_SECONDS = 10  # for the images that wait when the server is stopped
_PAGES_SECONDS = 1  # for the connections that open pages keep
_CONNECTIONS = 500  # at a time; an open page has one or two
_HEADER_SECONDS = 10  # for a connection to send the header of a request
_UNREAD_SECONDS = 60  # for a client to read the end of an answer
_LARGEST_PORT = 65535


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens, before a model is loaded for it.

    Args:
        host: The address of this machine to listen at.
        port: The port; 0 for any that is free.

    Raises:
        WrnError: If the port is in use, or there is no such address.
    """
    if not 0 <= port <= _LARGEST_PORT:
        raise WrnError(f'--port {port}: must be from 0 to {_LARGEST_PORT}')
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        # asyncio sends an answer at once (TCP_NODELAY) only where the socket knows its protocol.
        opened = socket.socket(family, kind, protocol)
        try:
            if os.name == 'posix':  # on Windows, it lets two servers have one port
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(128)
        except BaseException:
            opened.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise WrnError(f'--port {port}: is in use; give another one, or 0 for any') from error
        if error.errno == errno.EACCES:
            raise WrnError(f'--port {port}: needs more rights; give one above 1023') from error
        raise WrnError(
            f'--host {host}: {one_line(error)}; give an address of this machine'
        ) from error
    return opened


def serve(app: FastAPI, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve an application until Ctrl-C or SIGTERM.

    The images that wait then are classified or refused, and the signal is raised again.

    Args:
        app: What :func:`wrn.app.make_app` returns.
        listening: What :func:`open_socket` returns.
        ready: Is called when the application answers.
    """
    # It logs a line about a form that is damaged, which names no request. The answer says it.
    logging.getLogger('python_multipart').setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        log_level='error',
        access_log=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_PAGES_SECONDS,
        server_header=False,
        ws='none',
    )
    _Server(config, app, ready).run([listening])


class _Server(uvicorn.Server):
    """A server that says when it is ready, and finishes its work before it ends.

    It closes connections without a request. uvicorn does so after an answer alone, and counts all
    of them, so silent ones would use up its limit.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._ready = app, ready
        self._idle: dict[Any, tuple[object, float]] = {}  # the last request, and since when

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # once a second
            self._close_idle(time.monotonic())
        return await super().on_tick(counter)

    def _close_idle(self, now: float) -> None:
        before, self._idle = self._idle, {}
        connections: set[Any] = self.server_state.connections
        for connection in connections:
            request = connection.cycle
            if request is not None and not request.response_complete:
                continue
            last, since = before.get(connection, (request, now))
            since = since if last is request else now
            self._idle[connection] = request, since
            if now - since > _UNREAD_SECONDS:
                connection.transport.abort()
            elif now - since > _HEADER_SECONDS:
                connection.transport.close()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._app.state.queue.close(_FINISH_SECONDS)
        # uvicorn logs the requests that it cancels from now on, with tracebacks.
        logging.getLogger('uvicorn.error').setLevel(logging.CRITICAL)
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn leaves it out then, and with it the folder of uploads
            await self.lifespan.shutdown()
