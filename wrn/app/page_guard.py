"""What the requests of the page may do.

Gradio fetches addresses that a client names in place of a file. Where it is mounted in another
application, it takes the path of any file of the server, too. It has routes that this page does not
use, and its limits of sizes are for uploaded files alone.
"""

import http
import json
import os
from collections.abc import Iterator
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wrn.app.image_uploads import megabytes
from wrn.app.json_answer import refuse
from wrn.app.refusal import Refusal, too_busy
from wrn.app.request_limits import RequestLimits

_PREFIX = '/gradio_api/'
_UPLOAD, _FILE = 'upload', 'file='
_USED = (
    'app_id', 'cancel', _FILE, 'heartbeat/', 'info', 'queue/data', 'queue/join', 'reset',
    'startup-events', 'theme.css', _UPLOAD, 'upload_progress',
)  # fmt: skip
_JSON_BYTES = 1 << 18  # of the inputs of an event, which name files
_FILES = 2000  # that are uploaded and not deleted yet
_LONGEST = 100  # characters of a path that a message shows
_WRONG = 400  # the least status of a refusal
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


class PageGuard:
    """Middleware that refuses requests that the page does not send.

    It also has the browser load nothing from another host, by a ``Content-Security-Policy``.

    Args:
        app: The application.
        limits: The sizes of uploads.
        folder: The folder of uploads.
    """

    def __init__(self, app: ASGIApp, limits: RequestLimits, folder: str) -> None:
        self._app, self._limits, self._folder = app, limits, os.path.realpath(folder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return

        refused = False

        async def send_with_policy(message: Message) -> None:
            if message['type'] == 'http.response.start':
                message['headers'] = [*message['headers'], *_HEADERS]
            await send(message)

        async def send_checked(message: Message) -> None:
            nonlocal refused
            if message['type'] == 'http.response.start' and message['status'] >= _WRONG:
                refused = True
                phrase = http.HTTPStatus(message['status']).phrase.lower()
                sentence = f'{scope["path"][:_LONGEST]}: {phrase}; see docs/app.md'
                response = refuse(Refusal(message['status'], sentence))
                await response(scope, receive, send_with_policy)
            elif not refused:
                await send_with_policy(message)

        if scope['path'].startswith('/api/'):
            await self._app(scope, receive, send_with_policy)
            return
        try:
            receive = await self._check(scope, receive)
        except Refusal as refusal:
            response = refuse(refusal)
            response.headers['Connection'] = 'close'
            await response(scope, receive, send_with_policy)
        else:
            await self._app(scope, receive, send_checked)

    async def _check(self, scope: Scope, receive: Receive) -> Receive:
        path = scope['path']
        route = path.removeprefix(_PREFIX)
        if route != path and not route.startswith(_USED):
            raise Refusal(404, 'not a part of this page; see docs/app.md')
        if route.startswith(_FILE):
            self._check_uploaded(route.removeprefix(_FILE))
        if scope['method'] in ('GET', 'HEAD'):
            return receive
        if route == path:
            raise Refusal(405, 'not a part of this page; see docs/app.md')
        length = Headers(scope=scope).get('content-length', '')
        if not length.isdecimal():
            raise Refusal(411, 'the request has no Content-Length; send it')
        most = self._limits.request_bytes if route == _UPLOAD else _JSON_BYTES
        if int(length) > most:
            raise Refusal(413, f'the request has more than {megabytes(most)}; send fewer images')
        if route == _UPLOAD:
            self._check_space()
            return receive
        return await self._without_addresses(receive, scope)

    def _check_uploaded(self, path: object) -> None:
        inside = os.path.join(self._folder, '')
        try:
            is_uploaded = isinstance(path, str) and os.path.realpath(path).startswith(inside)
        except ValueError:  # a null character
            is_uploaded = False
        if not is_uploaded:
            raise Refusal(422, 'the path of a file is not that of an uploaded one; upload it')

    def _check_space(self) -> None:
        taken = 0
        for number, size in enumerate(_sizes(self._folder)):
            taken += size
            if number >= _FILES or taken > self._limits.held_bytes:
                raise too_busy('other images take the space for uploads')

    async def _without_addresses(self, receive: Receive, scope: Scope) -> Receive:
        """Read a body of JSON, and return it without the addresses of its files."""
        body = b''
        more = True
        while more:
            message = await receive()
            body += message.get('body', b'')
            more = message.get('more_body', False)
        try:
            content = json.dumps(self._drop_addresses(json.loads(body))).encode() if body else b''
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
            self._check_uploaded(value['path'])
        return {key: self._drop_addresses(item) for key, item in value.items() if key != 'url'}


def _sizes(folder: str) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.path.getsize(os.path.join(place, name))
            except OSError:  # deleted by now
                continue
