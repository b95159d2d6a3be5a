"""Answer only requests that name this server."""

import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from wrn.app.json_answer import refuse
from wrn.app.refusal import Refusal

_LONGEST = 100  # characters of a name that a message shows


class HostCheck:
    """Middleware that refuses requests whose ``Host`` is not a name of this server.

    A page of another site can have its own name resolve to this machine, and then read answers as
    its own (DNS rebinding). It cannot do so by an IP address, and so all of these are accepted,
    which starlette's ``TrustedHostMiddleware`` does not offer.

    Args:
        app: The application.
        hosts: The accepted names. ``'localhost'`` always is.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = {'localhost', *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope['type'] == 'http' and not self._is_ours(host := Headers(scope=scope).get('host')):
            named = f'Host {host[:_LONGEST]!r}' if host else 'the request'
            problem = 'not a name of this server' if host else 'names no host'
            cure = 'use its address, or start it with --allow-host NAME'
            await refuse(Refusal(421, f'{named}: {problem}; {cure}'))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_ours(self, host: str | None) -> bool:
        with suppress(ValueError):
            name = urlsplit(f'//{host or ""}').hostname or ''
            if name in self._hosts:
                return True
            ipaddress.ip_address(name)
            return True
        return False
