"""A local HTTP server that misbehaves in many ways, and its contents."""

import hashlib
import os
import re
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import safetensors.torch
import torch

from wrn.checkpoints import read_checkpoint
from wrn.download import fetch

DIGITS = 'wide-resnet16-2_1xb64_digits'
CONTENT = torch.arange(75_000, dtype=torch.int32).numpy().tobytes()
SIZE = len(CONTENT)
NAME = f'weights-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth'
# A file without a hash in its name is verified by reading it. Parts of these two can be joined.
HASHLESS = 'weights.safetensors'
OLD, NEW = (safetensors.torch.save({'w': torch.full((50_000,), value)}) for value in (1.0, 2.0))
WRONG_HASH = r'wrong SHA-256 \(begins with [0-9a-f]{8}, expected'
FETCH = (
    'import sys; from wrn.download import fetch; print(fetch(sys.argv[1:], "weights", typed=True))'
)


class Server(ThreadingHTTPServer):
    """Serves one content at every path, with each of its answers in turn and then the last one."""

    def __init__(self, protocol, cache):
        super().__init__(('127.0.0.1', 0), type('', (Handler,), {'protocol_version': protocol}))
        self.cache = cache
        self.content = CONTENT
        self.etag = '"1"'
        self.answers = [whole]
        self.requests = []  # path and headers of each
        self.go = threading.Event()  # ends all stalls
        self.errors = []

    @property
    def paths(self):
        return [path for path, _ in self.requests]

    @property
    def ranges(self):
        return [headers['Range'] for _, headers in self.requests]

    def url(self, name=NAME):
        return f'http://127.0.0.1:{self.server_port}/{name}'

    def stall(self):
        self.go.wait(20)  # longer than any client should wait

    def handle_error(self, request, client_address):
        if not isinstance(error := sys.exc_info()[1], ConnectionError):  # the client hung up
            self.errors.append(error)


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers))
        if early := list(server.cache.rglob(Path(self.path).name)):
            server.errors.append(f'{early} exists before it is complete')
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        answer(self)

    def begin(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()

    def send(self, upto=None, content=None, extra=0, if_range=True):
        """Answer correctly, except as the arguments say.

        Only ``upto`` bytes of the body are sent. The announced length is ``extra`` bytes too large.
        """
        content = self.server.content if content is None else content
        size = len(content) + extra
        asked = re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range', ''))
        start = int(asked[1]) if asked else 0
        if if_range and self.headers.get('If-Range', self.server.etag) != self.server.etag:
            start = 0
        headers = dict(ETag=self.server.etag)
        if start >= size:
            return self.begin(416, Content_Range=f'bytes */{size}', Content_Length=0)
        if start:
            headers['Content_Range'] = f'bytes {start}-{size - 1}/{size}'
        self.begin(206 if start else 200, Content_Length=size - start, **headers)
        return self.wfile.write(content[start:][:upto])


def whole(request):
    request.send()


def cut(after):
    return lambda request: request.send(upto=after)


def stalling(after):
    def answer(request):
        request.send(upto=after)
        request.server.stall()

    return answer


def silent(request):
    request.server.stall()


def delayed(request):
    request.server.stall()
    request.send()


def trickling(request):
    request.send(upto=0)
    for i in range(400):
        request.wfile.write(CONTENT[i : i + 1])
        if request.server.go.wait(0.005):
            break


def reset(after=None):
    """Reset the connection after some bytes of the body, or before the headers."""

    def answer(request):
        if after is not None:
            request.send(upto=after)
        linger = struct.pack('ii', 1, 0)
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        os.close(request.connection.detach())  # a shutdown would send a FIN

    return answer


def no_length(upto=None):
    """Send a body that ends with the connection, or in chunks."""

    def answer(request):
        body = CONTENT[:upto]
        if request.protocol_version == 'HTTP/1.0':
            request.begin(200)
            request.wfile.write(body)
        else:
            request.begin(200, Transfer_Encoding='chunked')
            request.wfile.write(b'%x\r\n%s' % (SIZE, body))
            if upto is None:
                request.wfile.write(b'\r\n0\r\n\r\n')

    return answer


def too_long(request):
    request.send(extra=10)


def too_short(request):
    request.begin(200, Content_Length=SIZE - 10)
    request.wfile.write(CONTENT)


def announcing(length):
    def answer(request):
        request.begin(200, Content_Length=length)
        request.wfile.write(CONTENT)

    return answer


def flipped(upto=None):
    content = bytearray(CONTENT)
    content[500] ^= 1
    return lambda request: request.send(content=bytes(content), upto=upto)


def web_page(request):
    body = b'\n<!DOCTYPE html><title>Log in</title>' + b' ' * 2000
    request.begin(200, Content_Type='text/html', Content_Length=len(body))
    request.wfile.write(body)


def status(code):
    def answer(request):
        request.begin(code, Content_Length=18)
        request.wfile.write(b'<p>Sorry, not.</p>')

    return answer


def no_ranges(request):
    request.begin(200, Content_Length=SIZE)
    request.wfile.write(CONTENT)


def unsatisfiable(request):
    if request.headers['Range']:
        request.begin(416, Content_Length=0)
    else:
        request.send()


def other_range(request):
    if request.headers['Range']:
        request.begin(206, Content_Range=f'bytes 7-{SIZE - 1}/{SIZE}', Content_Length=SIZE - 7)
        request.wfile.write(CONTENT[7:])
    else:
        request.send()


def raw(*parts, endless=False, pause=0.0):
    """Write bytes, whatever they mean, and the last of them without an end."""

    def answer(request):
        request.close_connection = True
        for part in parts:
            request.wfile.write(part)
        while endless and not request.server.go.wait(pause):
            request.wfile.write(parts[-1])

    return answer


def hostile(line, *headers, body=b'', **options):
    """Write a response with these headers."""
    head = '\r\n'.join([f'HTTP/1.1 {line}', *headers, '\r\n']).encode()
    return raw(head, body, **options)


# What a server may answer, and the start of the reason that is reported.
HOSTILE = {
    '206': (hostile('206 x', 'Content-Range: bytes 5-10/3', body=b'abc'), 'the server answered 206'),
    '206-whole': (hostile('206 x', 'Content-Range: bytes 0-2/3', body=b'abc'), 'the server answered 206'),
    '416': (hostile('416 x', 'Content-Range: bytes */3'), 'the server answered 416'),
    '101': (hostile('101 x'), 'the server answered 101'),
    '204': (hostile('204 OK'), 'the server answered 204 No Content'),
    '300': (hostile('300 OK'), 'the server answered 300 .* no other web address'),
    '304': (hostile('304 OK'), 'the server answered 304'),
    '401': (hostile('401 x', 'WWW-Authenticate: Basic realm="x"'), 'the server answered 401'),
    '999': (hostile('999 OK'), 'the server answered 999'),
    'escape': (hostile('404 \x1b[31mevil'), 'the server answered 404 Not Found'),
    'empty': (hostile('200 OK', 'Content-Length: 0'), 'the (server sent an|file is) empty'),
    'redirect-to-file': (hostile('302 x', 'Location: file:///etc/passwd'), 'the server answered 302 .* no other web address'),
    'redirect-to-ftp': (hostile('302 x', 'Location: ftp://127.0.0.1:1/x.pth'), 'the server redirects to ftp:'),
    'redirect-to-itself': (hostile('302 x', 'Location: /x'), 'the server answered 302 .* in a circle'),
    'redirect-nowhere': (hostile('302 x'), 'the server answered 302'),
    'redirect-malformed': (hostile('302 x', 'Location: http://[::1/x'), 'not a valid URL, or a redirect to none'),
    'redirect-to-port': (hostile('302 x', 'Location: http://127.0.0.1:x/x'), 'not a valid URL'),
    'redirect-endless': (hostile('302 x', 'Location: ftp://x/x', body=bytes(1 << 16), endless=True), 'the server redirects to ftp:'),
    'headers': (hostile('200 OK', *(f'X-{i}: a' for i in range(500)), body=b'abc'), 'the answer is not valid HTTP'),
    'long-header': (hostile('200 OK', 'X: ' + 'a' * 200_000, body=b'abc'), 'the answer is not valid HTTP'),
    'compressed': (hostile('200 OK', 'Content-Encoding: gzip', body=b'abc'), 'the server sent a compressed'),
    'huge-length': (hostile('200 OK', 'Content-Length: ' + '9' * 23, body=b'abc'), 'the server sends more than'),
    'huger-length': (hostile('200 OK', 'Content-Length: ' + '9' * 5000, body=b''), 'the (server sent an|file is) empty'),
    'bad-chunk': (hostile('200 OK', 'Transfer-Encoding: chunked', body=b'ZZZ\r\nabc\r\n'), 'the connection was lost'),
    'status': (raw(b'HTTP/9.9 abc\r\n\r\n'), 'the answer is not valid HTTP'),
    'ssh': (raw(b'SSH-2.0-OpenSSH\r\n'), 'the answer is not valid HTTP'),
    'nothing': (raw(b''), 'the connection was lost'),
    'endless-body': (hostile('200 OK', body=bytes(1 << 16), endless=True), 'the server sends more bytes'),
    'endless-trailer': (hostile('200 OK', 'Transfer-Encoding: chunked', body=b'0\r\n' + b'X: a\r\n' * 9999, endless=True), 'the server sends more bytes'),
    'endless-100': (raw(b'HTTP/1.1 100 x\r\n\r\n' * 9999, endless=True), 'the server did not answer within'),
    'dripping-header': (raw(b'HTTP/1.1 200 OK\r\nX: ', b'a', endless=True, pause=0.05), 'the server did not answer within'),
    'dripping-body': (hostile('200 OK', 'Content-Length: 100000', body=b'\x89PNG', endless=True, pause=0.05), r'received only \d+ bytes in'),
}  # fmt: skip

once = pytest.mark.parametrize('server', ['HTTP/1.1'], indirect=True)  # instead of both protocols


def get(server, name=NAME):
    return fetch([server.url(name)], 'weights', check=read_checkpoint).read_bytes()
