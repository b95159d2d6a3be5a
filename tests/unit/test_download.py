"""Downloads from a local HTTP server that misbehaves in many ways."""

import hashlib
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import safetensors.torch
import torch

import wrn
from wrn.checkpoints import read_checkpoint
from wrn.download import fetch, http
from wrn.utils.errors import CheckpointError, WrnError

DIGITS = 'wide-resnet16-2_1xb64_digits'
CONTENT = torch.arange(75_000, dtype=torch.int32).numpy().tobytes()
SIZE = len(CONTENT)
NAME = f'weights-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth'
# A file without a hash in its name is verified by reading it. Parts of these two can be joined.
HASHLESS = 'weights.safetensors'
OLD, NEW = (safetensors.torch.save({'w': torch.full((50_000,), value)}) for value in (1.0, 2.0))
FETCH = 'import sys; from wrn.download import fetch; print(fetch(sys.argv[1:], "weights"))'


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


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The cache folder, without the user's environment and without pauses."""
    for name in ('WRN_OFFLINE', 'HF_HUB_OFFLINE', 'WRN_URL_MAPPING', 'TORCH_HUB', 'COLUMNS'):
        monkeypatch.delenv(name, raising=False)
    for name in urllib.request.getproxies_environment():
        monkeypatch.delenv(f'{name}_proxy', raising=False)
        monkeypatch.delenv(f'{name}_proxy'.upper(), raising=False)
    monkeypatch.setattr(urllib.request, '_opener', None)  # it keeps the proxies of its first use
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'home'))
    monkeypatch.setattr(torch.hub, '_hub_dir', None)
    monkeypatch.setattr(http, '_PAUSE', 0.01)
    return tmp_path / 'home' / 'hub' / 'checkpoints'


@pytest.fixture(params=['HTTP/1.0', 'HTTP/1.1'])
def server(request, cache, serving):
    with serving(Server(request.param, cache)) as server:
        yield server
        server.go.set()
    assert server.errors == []


once = pytest.mark.parametrize('server', ['HTTP/1.1'], indirect=True)  # instead of both protocols


@pytest.fixture
def dead(dead_host):
    return f'{dead_host}/{NAME}'


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(http, '_TIMEOUT', 0.2)


@pytest.fixture
def partial(cache):
    """The path of an incomplete download, in an existing folder."""
    cache.mkdir(parents=True)
    return cache / f'{NAME}.partial'


def get(server, name=NAME):
    return fetch([server.url(name)], 'weights', check=read_checkpoint).read_bytes()


# Temporary failures.


def test_a_correct_server(server, cache):
    assert fetch([server.url()], 'weights') == cache / NAME
    assert (cache / NAME).read_bytes() == CONTENT
    assert get(server) == CONTENT
    assert server.ranges == [None]


def test_a_truncated_body_is_resumed(server):
    server.answers = [cut(100_000), cut(50_000), whole]
    assert get(server) == CONTENT
    assert server.ranges == [None, 'bytes=100000-', 'bytes=150000-']


def test_a_stalled_body_is_resumed(server, impatient):
    server.answers = [stalling(100_000), whole]
    assert get(server) == CONTENT
    assert server.ranges == [None, 'bytes=100000-']


def test_a_slow_body_is_resumed(server, impatient):
    server.answers = [trickling, whole]
    assert get(server) == CONTENT
    assert re.fullmatch(r'bytes=\d{1,2}-', server.ranges[1])
    assert len(server.ranges) == 2


@pytest.mark.parametrize('after', [None, 100_000])
def test_a_reset_connection(server, after):
    server.answers = [reset(after), whole]
    assert get(server) == CONTENT
    assert len(server.requests) == 2


def test_a_body_without_length(server):
    server.answers = [no_length()]
    assert get(server) == CONTENT
    assert len(server.requests) == 1


def test_a_truncated_body_without_length(server):
    server.answers = [no_length(upto=100_000), whole]
    assert get(server) == CONTENT
    assert len(server.requests) == 2


@pytest.mark.parametrize('length', ['many', '-1', '', '\xb2'])
def test_an_invalid_length(server, length):
    server.answers = [announcing(length)]
    assert get(server) == CONTENT


@pytest.mark.parametrize('answer', [too_long, too_short])
def test_a_wrong_length(server, answer):
    server.answers = [answer, whole]
    assert get(server) == CONTENT


def test_a_flipped_byte(server):
    server.answers = [flipped(), whole]
    assert get(server) == CONTENT
    assert server.ranges == [None, None]


def test_a_flipped_byte_in_a_resumed_part(server):
    server.answers = [flipped(upto=100_000), whole]
    assert get(server) == CONTENT
    assert server.ranges == [None, 'bytes=100000-', None]


def test_a_busy_server(server):
    server.answers = [status(503), status(503), whole]
    assert get(server) == CONTENT
    assert len(server.requests) == 3


def test_a_redirected_download_is_resumed(server):
    """GitHub redirects downloads of releases."""

    def elsewhere(request):
        request.begin(302, Location=f'/elsewhere/{NAME}', Content_Length=0)

    server.answers = [elsewhere, cut(100_000), elsewhere, whole]
    assert get(server) == CONTENT
    assert server.paths == [f'/{NAME}', f'/elsewhere/{NAME}'] * 2
    assert server.ranges[-1] == 'bytes=100000-'


def test_retries_are_unlimited_while_there_is_progress(server, monkeypatch):
    monkeypatch.setattr(http, '_MIN_PROGRESS', 50_000)
    server.answers = [cut(50_000)]
    assert get(server) == CONTENT
    assert len(server.requests) == SIZE // 50_000


# Permanent failures.


WRONG_HASH = r'wrong SHA-256 \(begins with [0-9a-f]{8}, expected'
LOST = 'the connection was lost.*, 3 times'


@pytest.mark.parametrize(
    ('answer', 'reason', 'requests'),
    [
        pytest.param(cut(0), rf'ended after \d+ of {SIZE} bytes, 3 times', 3, id='cut-at-once'),
        pytest.param(cut(1000), rf'ended after \d000 of {SIZE} bytes, 3 times', 3, id='cut'),
        pytest.param(stalling(1000), 'the connection stalled, 3 times', 3, id='stalled'),
        pytest.param(silent, r'the server did not answer within 0\.2 s', 1, id='silent'),
        pytest.param(trickling, r'received only \d+ bytes in 0\.2 s, 3 times', 3, id='trickling'),
        pytest.param(reset(), LOST, 3, id='reset-at-once'),
        pytest.param(reset(1000), LOST, 3, id='reset'),
        pytest.param(no_length(1000), f'{WRONG_HASH}|{LOST}', None, id='no-length'),
        pytest.param(
            too_long,
            f'ended after {SIZE} of {SIZE + 10} bytes, 3 times',
            3,
            id='too-long',
        ),
        pytest.param(too_short, WRONG_HASH, 2, id='too-short'),
        pytest.param(flipped(), WRONG_HASH, 2, id='flipped'),
        pytest.param(web_page, 'sent a web page instead of the file', 1, id='page'),
        pytest.param(status(403), 'the server answered 403 Forbidden', 1, id='403'),
        pytest.param(status(404), 'the server answered 404 Not Found', 1, id='404'),
        pytest.param(status(503), 'answered 503 Service Unavailable, 3 times', 3, id='503'),
    ],
)
def test_a_permanent_failure(server, cache, impatient, answer, reason, requests):
    server.answers = [answer]
    for _ in range(2):  # the second time it resumes
        server.requests.clear()
        with pytest.raises(CheckpointError, match=reason):
            get(server)
        assert requests in (None, len(server.requests))
        assert not (cache / NAME).exists()
    server.answers = [whole]
    assert get(server) == CONTENT


def test_the_error_of_a_truncated_body(server, cache):
    server.answers = [cut(1000)]
    with pytest.raises(CheckpointError) as error:
        get(server)
    assert str(error.value) == (
        f'weights: cannot be downloaded ({server.url()}: the connection ended after 3000 of '
        f'{SIZE} bytes, 3 times in a row); put {NAME} into {cache}, or give the path of a file'
    )


@pytest.mark.parametrize('address', ['http://[::1', 'http://127.0.0.1:x', 'http://127.0.0.1/a b'])
def test_a_malformed_url(address):
    with pytest.raises(WrnError) as error:
        fetch([f'{address}/{NAME}'], 'weights')
    assert f'{address}/{NAME}' in str(error.value)
    assert '3 times' not in str(error.value)  # no retries


# An incomplete file of an earlier download.


def test_a_partial_file_is_resumed(server, partial):
    partial.write_bytes(CONTENT[:120_000])
    assert get(server) == CONTENT
    assert server.ranges == ['bytes=120000-']
    assert not partial.exists()


def test_a_partial_file_that_is_complete(server, partial):
    partial.write_bytes(CONTENT)
    assert get(server) == CONTENT
    assert server.ranges == [f'bytes={SIZE}-']


@pytest.mark.parametrize('size', [1, 120_000, SIZE, SIZE + 1000])
@pytest.mark.parametrize('answer', [whole, no_ranges, unsatisfiable])
def test_a_partial_file_with_other_content(server, partial, answer, size):
    partial.write_bytes(b'\7' * size)
    server.answers = [answer]
    assert get(server) == CONTENT
    assert server.ranges[0] == f'bytes={size}-'


@pytest.mark.parametrize('answer', [no_ranges, unsatisfiable, other_range])
def test_a_server_without_ranges(server, partial, answer):
    partial.write_bytes(CONTENT[:120_000])
    server.answers = [answer]
    assert get(server) == CONTENT
    assert server.ranges[0] == 'bytes=120000-'


@pytest.mark.parametrize(
    'answer', [web_page, status(404), status(503), reset()], ids=['page', '404', '503', 'reset']
)
def test_a_partial_file_survives_an_error(server, partial, answer):
    partial.write_bytes(CONTENT[:120_000])
    server.answers = [answer]
    with pytest.raises(CheckpointError):
        get(server)
    assert partial.read_bytes() == CONTENT[:120_000]
    server.answers = [whole]
    assert get(server) == CONTENT
    assert server.ranges[-1] == 'bytes=120000-'


# Files without a hash in their name.


def test_a_truncated_file_without_hash_is_resumed(server):
    server.content = NEW
    server.answers = [cut(100_000), whole]
    assert get(server, HASHLESS) == NEW
    assert server.ranges == [None, 'bytes=100000-']
    assert server.requests[1][1]['If-Range'] == server.etag


@pytest.mark.parametrize(
    'answer',
    [cut(1000), too_short, web_page, whole],
    ids=['cut', 'too-short', 'page', 'no-weights'],
)
def test_a_wrong_file_without_hash(server, cache, answer):
    server.answers = [answer]
    with pytest.raises(CheckpointError, match='cannot be downloaded'):
        get(server, HASHLESS)
    assert list(cache.rglob(HASHLESS)) == []
    server.content, server.answers = NEW, [whole]
    assert get(server, HASHLESS) == NEW


@pytest.mark.parametrize('if_range', [True, False], ids=['if-range', 'no-if-range'])
def test_two_versions_are_not_joined(server, if_range):
    """Not even if the server ignores ``If-Range``; its ETag differs then."""

    def newer(request):
        server.content, server.etag = NEW, '"2"'
        request.send(if_range=if_range)

    server.content = OLD
    server.answers = [cut(100_000), newer]
    assert get(server, HASHLESS) == NEW


def test_a_partial_file_without_hash_is_not_resumed(server, impatient):
    """Not even if the server sends the ETag of its version before the connection stalls."""
    server.content = OLD
    server.answers = [cut(1000)]
    with pytest.raises(CheckpointError):
        get(server, HASHLESS)
    server.content, server.etag = NEW, '"2"'
    server.answers = [stalling(0), whole]
    assert get(server, HASHLESS) == NEW


# Several processes.


def start(url, errors=subprocess.DEVNULL):
    return subprocess.Popen([sys.executable, '-c', FETCH, url], stdout=-1, stderr=errors, text=True)


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@once
def test_two_processes_download_once(server, cache, tmp_path):
    server.answers = [delayed]
    logs = [tmp_path / 'a.log', tmp_path / 'b.log']
    with logs[0].open('w') as a, logs[1].open('w') as b:
        processes = [start(server.url(), a), start(server.url(), b)]

    def text():
        return ''.join(log.read_text() for log in logs)

    wait_until(lambda: 'another process' in text() or len(server.requests) > 1)
    server.go.set()
    for process in processes:
        printed = process.communicate()[0].splitlines()  # mmpretrain's fork prints a line first
        assert printed[-1] == str(cache / NAME), text()
    assert f'another process is downloading {NAME}; waiting for it' in text()
    assert len(server.requests) == 1
    assert (cache / NAME).read_bytes() == CONTENT


@once
def test_a_download_is_resumed_after_its_process_was_killed(server, cache):
    server.answers = [stalling(150_000), whole]
    partial = cache / f'{NAME}.partial'
    with start(server.url()) as process:
        # The process may have buffered the last bytes.
        wait_until(lambda: partial.exists() and partial.stat().st_size > 140_000)
        process.kill()
    kept = partial.stat().st_size
    assert get(server) == CONTENT
    assert server.ranges == [None, f'bytes={kept}-']


@once
def test_no_other_files_are_left(server, cache):
    get(server)
    left = [path for path in cache.iterdir() if path.suffix != '.lock' or path.stat().st_size]
    assert [path.name for path in left] == [NAME]


@once
def test_proxy_and_cache_from_the_environment(server, tmp_path, run, monkeypatch):
    monkeypatch.setenv('http_proxy', server.url(''))
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'elsewhere'))
    url = f'http://weights.invalid/{NAME}'
    path = run('python', '-c', FETCH, url).stdout.splitlines()[-1]
    assert path == str(tmp_path / 'elsewhere' / 'hub' / 'checkpoints' / NAME)
    assert Path(path).read_bytes() == CONTENT
    assert server.paths == [url]


# Several URLs.


def test_a_missing_file_comes_from_the_next_url_at_once(server):
    server.answers = [status(404), whole]
    path = fetch([server.url(f'a/{NAME}'), server.url(f'b/{NAME}')], 'weights')
    assert path.read_bytes() == CONTENT
    assert server.paths == [f'/a/{NAME}', f'/b/{NAME}']


@once
@pytest.mark.parametrize(
    'answer',
    [cut(1000), stalling(1000), reset(1000), too_short, flipped(), web_page, status(500)],
    ids=['cut', 'stalled', 'reset', 'too-short', 'flipped', 'page', '500'],
)
def test_the_next_url_after_a_failure(server, impatient, answer):
    def by_path(request):
        (answer if request.path.startswith('/a/') else whole)(request)

    server.answers = [by_path]
    path = fetch([server.url(f'a/{NAME}'), server.url(f'b/{NAME}')], 'weights')
    assert path.read_bytes() == CONTENT
    assert server.paths[-1] == f'/b/{NAME}'


@once
def test_an_unreachable_url_is_logged(server, dead, caplog):
    assert fetch([dead, server.url()], 'weights').read_bytes() == CONTENT
    (record,) = [r for r in caplog.records if r.name == 'wrn.download.cached_download']
    assert record.levelname == 'WARNING'
    assert record.getMessage().startswith(f'{dead}: cannot be reached (Connection refused)')


@once
def test_all_urls_fail(server, dead, cache):
    server.answers = [status(404)]
    unresolvable = f'http://weights.invalid/{NAME}'
    with pytest.raises(CheckpointError) as error:
        fetch([dead, unresolvable, server.url()], 'the weights')
    message = str(error.value)
    assert message.startswith('the weights: cannot be downloaded (')
    assert f'{dead}: cannot be reached (Connection refused)' in message
    assert f'{unresolvable}: cannot resolve the host name (DNS: ' in message
    assert f'{server.url()}: the server answered 404 Not Found' in message
    assert message.endswith(f'put {NAME} into {cache}, or give the path of a file')
    assert '\n' not in message


@once
@pytest.mark.parametrize('position', [0, 1])
def test_a_cached_file_of_any_url_is_used(server, dead, position):
    other = server.url(NAME.replace('weights', 'others'))
    path = fetch([other], 'weights')
    server.requests.clear()
    urls = [server.url()]
    urls.insert(position, other)
    assert fetch(urls, 'weights') == path
    assert server.requests == []


# Without a network.


@once
@pytest.mark.parametrize('variable', ['WRN_OFFLINE', 'HF_HUB_OFFLINE'])
def test_offline(server, cache, monkeypatch, variable):
    monkeypatch.setenv(variable, '1')
    with pytest.raises(CheckpointError) as error:
        get(server)
    assert 'not in the cache, and WRN_OFFLINE or HF_HUB_OFFLINE disables the download' in str(
        error.value
    )
    assert server.url() in str(error.value)
    assert f'put {NAME} into {cache}' in str(error.value)
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(CONTENT)
    assert get(server) == CONTENT
    assert server.requests == []


@once
def test_not_offline(server, monkeypatch):
    monkeypatch.setenv('WRN_OFFLINE', '0')
    assert get(server) == CONTENT


# Mirrors.

FORGE = f'https://forge.invalid/wrn/{NAME}'


@once
def test_a_mirror(server):
    mapping = ('https://forge.invalid', server.url('mirror'))
    assert fetch([FORGE], 'weights', mapping).read_bytes() == CONTENT
    assert server.paths == [f'/mirror/wrn/{NAME}']


@once
def test_a_mirror_from_the_environment(server, monkeypatch):
    monkeypatch.setenv('WRN_URL_MAPPING', f'https://forge.invalid {server.url("mirror")}')
    assert fetch([FORGE], 'weights').read_bytes() == CONTENT
    assert server.paths == [f'/mirror/wrn/{NAME}']


@once
def test_a_file_from_a_mirror_is_verified(server, cache):
    """The original URL determines name and hash, whatever the mirror calls the file."""
    server.answers = [flipped()]
    mapping = (FORGE, server.url('other.pth'))
    with pytest.raises(CheckpointError, match=WRONG_HASH):
        fetch([FORGE], 'weights', mapping)
    server.answers = [whole]
    assert fetch([FORGE], 'weights', mapping) == cache / NAME


@once
def test_an_argument_overrides_the_environment(server, dead, monkeypatch):
    monkeypatch.setenv('WRN_URL_MAPPING', f'https://forge.invalid {dead}')
    mapping = ('https://forge.invalid', server.url('mirror'))
    assert fetch([FORGE], 'weights', mapping).read_bytes() == CONTENT


@once
def test_a_mirror_in_get_model(server, digits_weights):
    server.content = Path(digits_weights).read_bytes()
    url = f'https://forge.invalid/{Path(digits_weights).name}'
    wrn.get_model(DIGITS, url, url_mapping=('https://forge.invalid', server.url('mirror')))
    assert server.paths == [f'/mirror/{Path(digits_weights).name}']


@once
def test_an_argument_of_get_model_overrides_the_environment(server, digits_weights, monkeypatch):
    """The URL is mapped only once."""
    server.content = Path(digits_weights).read_bytes()
    monkeypatch.setenv('WRN_URL_MAPPING', 'mirror elsewhere')
    url = f'https://forge.invalid/{Path(digits_weights).name}'
    wrn.get_model(DIGITS, url, url_mapping=('https://forge.invalid', server.url('mirror')))
    assert server.paths == [f'/mirror/{Path(digits_weights).name}']


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        ('https://forge.invalid', "WRN_URL_MAPPING 'https://forge.invalid': not a pattern and its"),
        ('a b c', "WRN_URL_MAPPING 'a b c': not a pattern and its"),
        ('(https https://mirror', r'not a pattern and its replacement \(.*unterminated'),
        (r'https \1', r'not a pattern and its replacement \(.*group'),
    ],
)
def test_a_malformed_mapping_from_the_environment(dead, monkeypatch, words, reason):
    monkeypatch.setenv('WRN_URL_MAPPING', words)
    with pytest.raises(WrnError, match=reason):
        fetch([FORGE], 'weights')


@pytest.mark.parametrize('mapping', [('(', ''), ('https',), ('https', 'a', 'b'), 'https', 1])
def test_a_malformed_mapping(mapping):
    with pytest.raises(WrnError, match=r'url_mapping .*: not a pattern and its replacement'):
        fetch([FORGE], 'weights', mapping)


# The file system.


@once
def test_an_unwritable_cache(server, tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    # Not even root can create a folder in a file.
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'file'))
    with pytest.raises(WrnError) as error:
        fetch([server.url(f'a/{NAME}'), server.url(f'b/{NAME}')], 'weights')
    message = str(error.value)
    assert message.startswith(f'{tmp_path / "file"}')
    assert 'cannot be written (Not a directory)' in message
    assert 'TORCH_HOME' in message
    assert message.count('cannot be written') == 1
    assert server.requests == []


@once
@pytest.mark.skipif(not Path('/dev/full').exists(), reason='needs /dev/full')
def test_a_full_disk(server, cache, partial):
    partial.symlink_to('/dev/full')
    with pytest.raises(WrnError) as error:
        fetch([server.url(f'a/{NAME}'), server.url(f'b/{NAME}')], 'weights')
    assert 'cannot be written (No space left on device); free space, or' in str(error.value)
    assert server.paths == [f'/a/{NAME}']  # another URL would not help
    assert not (cache / NAME).exists()


# The progress bar, and get_model.


@once
def test_the_progress_bar(server, capsys, digits_weights):
    server.content = Path(digits_weights).read_bytes()
    get(server, Path(digits_weights).name)
    captured = capsys.readouterr()
    assert f'Downloading {Path(digits_weights).name}' in captured.err
    assert captured.out == ''


@once
def test_the_progress_bar_shows_the_size(server, capsys, digits_weights):
    server.content = Path(digits_weights).read_bytes()
    get(server, Path(digits_weights).name)
    assert '2.8/2.8 MB' in capsys.readouterr().err  # in 80 columns


@once
def test_get_model(server, digits_weights):
    server.content = Path(digits_weights).read_bytes()
    server.answers = [reset(500_000), cut(500_000), whole]
    model = wrn.get_model(DIGITS, pretrained=server.url(Path(digits_weights).name))
    expected = wrn.get_model(DIGITS, pretrained=True).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())
    assert len(server.requests) == 3


@once
def test_get_model_after_a_permanent_failure(server, digits_weights, cache):
    server.content = Path(digits_weights).read_bytes()
    server.answers = [cut(1000)]
    with pytest.raises(WrnError, match=r'cannot be downloaded .* 3 times in a row'):
        wrn.get_model(DIGITS, pretrained=server.url(Path(digits_weights).name))
    assert not (cache / Path(digits_weights).name).exists()
