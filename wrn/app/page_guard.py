"""What the requests of the page may do.

Gradio fetches addresses that a client names in place of a file. Where it is mounted in another
application, it takes the path of any file of the server, too. It has routes that this page does not
use, and its limits of sizes are for uploaded files alone.
"""

import asyncio
import http
import json
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wrn.app.image_uploads import too_large
from wrn.app.json_answer import refuse
from wrn.app.page_events import read_event
from wrn.app.refusal import Refusal
from wrn.app.request_limits import RequestLimits
from wrn.app.upload_folder import UploadFolder
from wrn_base.errors import one_line

_PREFIX = '/gradio_api/'
_UPLOAD, _FILE, _JOIN = 'upload', 'file=', 'queue/join'
_USED = (
    'app_id', 'cancel', _FILE, 'heartbeat/', 'info', 'queue/data', _JOIN, 'reset',
    'startup-events', 'theme.css', _UPLOAD, 'upload_progress',
)  # fmt: skip
_JSON_BYTES = 1 << 18  # of the inputs of an event, which name files
_LONGEST = 100  # characters of a path that a message shows
_WRONG = 400  # the least status of a refusal
_CORS = b'access-control-'  # headers by which Gradio lets other sites read its answers
_POLICY = '; '.join(
    f'{kind} {sources}'
    for kind, sources in {
        'default-src': "'self'",
        'script-src': "'self' 'unsafe-inline' 'unsafe-eval'",
        'style-src': "'self' 'unsafe-inline'",
        'img-src': "'self' data: blob:",
        'font-src': "'self' data:",
        'connect-src': "'self' data: blob:",
        'worker-src': "'self' blob:",
        'form-action': "'self'",
        'base-uri': "'self'",
    }.items()
)
_HEADERS = [
    (b'content-security-policy', _POLICY.encode()),
    (b'x-content-type-options', b'nosniff'),
]


class _LateError(OSError):
    """A body that comes too slowly.

    The application would answer a :class:`Refusal`, after Gradio has begun an answer of its own.
    """


class PageGuard:
    """Middleware that refuses requests that the page does not send.

    It also has the browser load nothing from another host, by a ``Content-Security-Policy``.

    Args:
        app: The application.
        limits: The sizes of uploads.
        folder: The folder of uploads.
        events: The number of inputs of each event of the page.
    """

    def __init__(
        self, app: ASGIApp, limits: RequestLimits, folder: str, events: Mapping[int, int]
    ) -> None:
        self._app, self._limits, self._events = app, limits, events
        self._folder = UploadFolder(folder, limits.held_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return

        wrong = 0

        async def send_with_policy(message: Message) -> None:
            if message['type'] == 'http.response.start':
                kept = [pair for pair in message['headers'] if not pair[0].startswith(_CORS)]
                message['headers'] = [*kept, *_HEADERS]
            await send(message)

        async def send_checked(message: Message) -> None:
            nonlocal wrong
            if message['type'] == 'http.response.start' and message['status'] >= _WRONG:
                wrong = message['status']
            if not wrong:
                await send_with_policy(message)

        if scope['path'].startswith('/api/'):
            await self._app(scope, receive, send_with_policy)
            return
        try:
            receive = await self._check(scope, receive)
            is_upload = scope['path'] == _PREFIX + _UPLOAD
            with self._folder.receive() if is_upload else nullcontext():
                await self._answer(scope, receive, send_checked, is_upload)
            if wrong:
                phrase = http.HTTPStatus(wrong).phrase.lower()
                raise Refusal(wrong, f'{scope["path"][:_LONGEST]}: {phrase}; see docs/app.md')
        except (Refusal, _LateError) as error:
            late = Refusal(408, 'the request came too slowly; send a smaller image')
            response = refuse(error if isinstance(error, Refusal) else late)
            response.headers['Connection'] = 'close'
            await response(scope, receive, send_with_policy)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, is_upload: bool) -> None:
        try:
            await self._app(scope, receive, send)
        except RuntimeError as error:
            # Of an error that Gradio has already sent as an event, such as an unknown session.
            if not isinstance(error.__cause__, HTTPException):
                raise
            await send(dict(type='http.response.body', body=b'', more_body=False))
        except OSError as error:
            if isinstance(error, _LateError) or not is_upload:
                raise
            problem = f'the image cannot be stored ({one_line(error)}); drop it again later'
            raise Refusal(507, problem) from error

    async def _check(self, scope: Scope, receive: Receive) -> Receive:
        path = scope['path']
        route = path.removeprefix(_PREFIX)
        if route != path and not route.startswith(_USED):
            raise Refusal(404, 'not a part of this page; see docs/app.md')
        if route.startswith(_FILE):
            self._folder.check_uploaded(route.removeprefix(_FILE))
        if scope['method'] in ('GET', 'HEAD'):
            return receive
        if route == path or scope['method'] != 'POST':
            raise Refusal(405, 'not a part of this page; see docs/app.md')
        length = Headers(scope=scope).get('content-length', '')
        if not length.isdecimal():
            raise Refusal(411, 'the request has no Content-Length; send it')
        most = self._limits.held_bytes if route == _UPLOAD else _JSON_BYTES
        if int(length) > most:
            raise too_large(most)
        if route == _UPLOAD:
            return self._in_time(receive)
        return await self._without_addresses(receive, scope)

    def _in_time(self, receive: Receive) -> Receive:
        """Return a function that receives a body until the time for a request is over."""
        deadline = time.monotonic() + self._limits.seconds

        async def receive_in_time() -> Message:
            try:
                return await asyncio.wait_for(receive(), max(0, deadline - time.monotonic()))
            except asyncio.TimeoutError as error:
                raise _LateError from error

        return receive_in_time

    async def _without_addresses(self, receive: Receive, scope: Scope) -> Receive:
        """Read a body of JSON, and return it without the addresses of its files."""
        receive_part = self._in_time(receive)
        body = b''
        more = True
        while more:
            message = await receive_part()
            body += message.get('body', b'')
            more = message.get('more_body', False)
        try:
            given = json.loads(body) if body else None
            if scope['path'] == _PREFIX + _JOIN:
                given = read_event(given, self._events, self._folder)
            content = json.dumps(self._drop_addresses(given)).encode() if body else b''
        except (ValueError, RecursionError) as error:
            raise Refusal(
                400, 'the body is no JSON that the page sends; see docs/app.md'
            ) from error
        MutableHeaders(scope=scope)['content-length'] = str(len(content))
        sent = False

        async def receive_content() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return dict(type='http.request', body=content, more_body=False)

        return receive_content

    def _drop_addresses(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._drop_addresses(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get('path') is not None:
            self._folder.check_uploaded(value['path'])
        return {key: self._drop_addresses(item) for key, item in value.items() if key != 'url'}
