"""Serve the application."""

import errno
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from wrn_base.errors import WrnError, one_line

_FINISH_SECONDS = 10  # for the images that wait when the server is stopped
_PAGES_SECONDS = 1  # for the connections that open pages keep
_CONNECTIONS = 500  # at a time; an open page has one or two
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
        family, kind, _, _, address = found[0]
        opened = socket.socket(family, kind)
        try:
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
    config = uvicorn.Config(
        app,
        log_level='error',
        access_log=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_PAGES_SECONDS,
        server_header=False,
    )
    _Server(config, app, ready).run([listening])


class _Server(uvicorn.Server):
    """A server that says when it is ready, and finishes its work before it ends."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._ready = app, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._app.state.queue.close(_FINISH_SECONDS)
        await super().shutdown(sockets)
